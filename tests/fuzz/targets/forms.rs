//! Any bytes as a form: read, or refused, as pairs and as the tree that their brackets spell.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall::http::extract::Params;
use rollcall::http::extract::brackets::tree;

fuzz_target!(|bytes: &[u8]| {
    let Ok(params) = Params::parse(bytes) else { return };
    for (name, _) in params.iter() {
        let _found = params.one(name);
    }
    if let Ok(tree) = tree(&params) {
        assert!(tree.len() <= params.iter().count(), "no field comes from nothing");
    }
});
