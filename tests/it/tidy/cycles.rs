//! Files of `src` that use each other in a loop.
//!
//! A file that uses an item of a module above it, as a part uses the vocabulary of its whole, does not count: the module
//! declares the file, and neither can be read without the other.

use std::collections::{BTreeMap, BTreeSet};

use super::edges::expand;
use super::{code, files, only_known, without_tests};

/// A path of names, such as `http::graphql::paging`.
type Path = Vec<String>;

/// The modules of `src`, what each uses, and what each hands on.
#[derive(Default)]
struct Graph {
    modules: BTreeSet<Path>,
    uses: BTreeMap<Path, Vec<Path>>,
    exports: BTreeMap<Path, Vec<Path>>,
}

impl Graph {
    fn read<'a>(sources: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let sources: Vec<(Path, String)> =
            sources.map(|(file, text)| (module(file), code(without_tests(text)))).collect();
        let mut graph = Graph { modules: sources.iter().map(|(path, _)| path.clone()).collect(), ..Graph::default() };
        for (path, code) in &sources {
            graph.add(path, code);
        }
        graph
    }

    /// Adds the paths in the code of a module.
    fn add(&mut self, module: &Path, code: &str) {
        let (mut uses, mut exports) = (Vec::new(), Vec::new());
        let starts = code.match_indices("crate::").chain(code.match_indices("super::")).map(|(at, _)| at);
        let children = code.match_indices("use ").map(|(at, word)| at + word.len());
        for at in starts.chain(children) {
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            let Some((base, rest)) = self.base(module, &code[at..]) else { continue };
            let mut found = Vec::new();
            expand("", rest, &mut found);
            let statement = code[..at].trim_end().trim_end_matches("use").trim_end();
            let is_export =
                code[..at].trim_end().ends_with("use") && (statement.ends_with("pub") || statement.ends_with(')'));
            let into = if is_export { &mut exports } else { &mut uses };
            into.extend(found.iter().map(|path| [base.clone(), names(path)].concat()));
        }
        self.uses.insert(module.clone(), uses);
        self.exports.insert(module.clone(), exports);
    }

    /// Returns the module at which a path begins, and the rest of the path. `None` for a path outside of the crate.
    fn base<'a>(&self, module: &Path, text: &'a str) -> Option<(Path, &'a str)> {
        if let Some(rest) = text.strip_prefix("crate::") {
            return Some((Path::new(), rest));
        }
        let (mut base, mut rest) = (module.clone(), text);
        while let Some(further) = rest.strip_prefix("super::") {
            base.pop();
            rest = further;
        }
        let first = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        let child = [base.clone(), Path::from([first.to_owned()])].concat();
        (rest.len() < text.len() || self.modules.contains(&child)).then_some((base, rest))
    }

    /// Returns the module that defines what a path names.
    fn resolve(&self, path: &[String], depth: usize) -> Option<Path> {
        let known = (1..=path.len()).rev().map(|n| path[..n].to_vec()).find(|module| self.modules.contains(module))?;
        let further = &path[known.len()..];
        let exported =
            further.first().and_then(|name| self.exports[&known].iter().find(|path| path.last() == Some(name)));
        match exported {
            Some(exported) if depth < 5 => self.resolve(&[exported.as_slice(), &further[1..]].concat(), depth + 1),
            _ => Some(known),
        }
    }

    /// Returns the modules that each uses, without those above it.
    fn edges(&self) -> BTreeMap<Path, BTreeSet<Path>> {
        let targets = |module: &Path, paths: &Vec<Path>| {
            let found = paths.iter().filter_map(|path| self.resolve(path, 0));
            found.filter(|target| !module.starts_with(target)).collect()
        };
        self.uses.iter().map(|(module, paths)| (module.clone(), targets(module, paths))).collect()
    }
}

/// Returns the loops: each module that reaches itself, with the modules on the way that it uses.
fn loops(edges: &BTreeMap<Path, BTreeSet<Path>>) -> Vec<String> {
    let reach = |from: &Path| {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<&Path> = edges[from].iter().collect();
        while let Some(module) = waiting.pop() {
            if reached.insert(module) {
                waiting.extend(&edges[module]);
            }
        }
        reached
    };
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = edges.keys().map(|module| (module, reach(module))).collect();
    let in_loop = edges.keys().filter(|module| reached[module].contains(module));
    let back = |module: &Path| {
        let back = edges[module].iter().filter(|next| reached[next].contains(module)).map(|next| next.join("::"));
        back.collect::<Vec<_>>().join(", ")
    };
    in_loop.map(|module| format!("{} uses {}, which uses it again", module.join("::"), back(module))).collect()
}

fn module(file: &str) -> Path {
    let inside = file.strip_prefix("src/").unwrap_or(file).trim_end_matches(".rs");
    names(&inside.replace('/', "::")).into_iter().filter(|name| name != "mod").collect()
}

fn names(path: &str) -> Path {
    path.split("::").filter(|name| !name.is_empty() && *name != "self").map(str::to_owned).collect()
}

#[test]
fn files_do_not_use_each_other_in_a_loop() {
    let sources = files(&["src"], "rs");
    let graph = Graph::read(sources.iter().map(|(file, text)| (file.as_str(), text.as_str())));
    let edges = graph.edges();
    let count: usize = edges.values().map(BTreeSet::len).sum();
    assert!(count > 1_000, "only {count} uses were found");
    only_known(loops(&edges), &[]);
}

#[test]
fn loops_are_found() {
    let found = |sources: &[(&str, &str)]| loops(&Graph::read(sources.iter().copied()).edges());
    let whole = ("src/a/mod.rs", "mod b;\nmod c;\npub use c::C;\nuse b::B;\n");
    assert_eq!(
        found(&[whole, ("src/a/b.rs", "use super::B0;\n"), ("src/a/c.rs", "use crate::a::b::{self, B};\n")]),
        [""; 0]
    );
    let through_an_export = [whole, ("src/a/b.rs", "use crate::a::C;\n"), ("src/a/c.rs", "fn f() -> super::b::B {}\n")];
    assert_eq!(found(&through_an_export).len(), 2, "{:?}", found(&through_an_export));
    let only_in_tests = "struct C;\n#[cfg(test)]\nmod tests {\n    use super::super::b::B;\n}\n";
    assert_eq!(found(&[whole, ("src/a/b.rs", "use crate::a::C;\n"), ("src/a/c.rs", only_in_tests)]), [""; 0]);
}
