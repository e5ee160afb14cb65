//! Any bytes as a form: parsing them as pairs, and as the tree that brackets in names spell, does not panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall::http::extract::Params;
use rollcall::http::iadvize_rest::brackets::tree;
use rollcall::http::extract::params::elements;

fuzz_target!(|bytes: &[u8]| {
    let Ok(params) = Params::parse(bytes) else { return };
    for (name, _) in params.iter() {
        let _found = (params.one(name), params.list(name).map(|values| elements(&values).len()));
    }
    if let Ok(tree) = tree(&params) {
        assert!(tree.len() <= params.iter().count(), "the tree has no more fields than pairs");
    }
});
