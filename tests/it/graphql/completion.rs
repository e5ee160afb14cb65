//! Fields that fail and the order of answers: documents made at random, against an executor that follows the words of the
//! specification (October 2021, section 6), without a library.

#![expect(clippy::duplicated_attributes, reason = "two fields of the interface have the same arguments")]

use std::iter::repeat_with;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{
    EmptyMutation, EmptySubscription, Error, Interface, MergedObject, Name, Object, PathSegment, Positioned, Request,
    Result, Schema, Value, Variables, value,
};
use async_graphql_value::Value as Literal;
use proptest::collection::vec;
use proptest::prelude::*;
use rollcall::http::graphql::completion::{Completion, execute};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

/// The fields of `Node` with their types. `Leaf` and `Face` have the first two.
const FIELDS: [(&str, &str); 14] = [
    ("value", "Int"),
    ("mustValue", "Int!"),
    ("node", "Node"),
    ("mustNode", "Node!"),
    ("nodes", "[Node!]"),
    ("mustNodes", "[Node!]!"),
    ("someNodes", "[Node]!"),
    ("values", "[Int!]"),
    ("mustValues", "[Int!]!"),
    ("someValues", "[Int]!"),
    ("grid", "[[Int!]!]"),
    ("mustGrid", "[[Int!]!]!"),
    ("face", "Face"),
    ("mustFace", "Face!"),
];

/// The way in which a field fails.
const ITSELF: i32 = 1;
/// Of a list of values, the last item.
const ITEM: i32 = 2;

struct Node;
struct Leaf;

/// The root, which has the fields of `Node`.
#[derive(MergedObject)]
struct Query(Node);

/// What both have.
#[derive(Interface)]
#[graphql(
    field(
        name = "value",
        ty = "Option<i32>",
        arg(name = "fail", ty = "Option<i32>"),
        arg(name = "wait", ty = "Option<i32>")
    ),
    field(
        name = "must_value",
        ty = "i32",
        arg(name = "fail", ty = "Option<i32>"),
        arg(name = "wait", ty = "Option<i32>")
    )
)]
enum Face {
    Node(Node),
    Leaf(Leaf),
}

async fn resolve<T>(fail: Option<i32>, wait: Option<i32>, value: T) -> Result<T> {
    for _ in 0..wait.unwrap_or(0) {
        yield_now().await;
    }
    if fail == Some(ITSELF) { Err(Error::new("fails")) } else { Ok(value) }
}

fn values(fail: Option<i32>) -> Vec<Result<i32>> {
    vec![Ok(1), if fail == Some(ITEM) { Err(Error::new("an item fails")) } else { Ok(2) }]
}

#[Object]
impl Leaf {
    async fn value(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Option<i32>> {
        resolve(fail, wait, Some(1)).await
    }
    async fn must_value(&self, fail: Option<i32>, wait: Option<i32>) -> Result<i32> {
        resolve(fail, wait, 1).await
    }
}

#[Object]
impl Node {
    async fn value(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Option<i32>> {
        resolve(fail, wait, Some(1)).await
    }
    async fn must_value(&self, fail: Option<i32>, wait: Option<i32>) -> Result<i32> {
        resolve(fail, wait, 1).await
    }
    async fn node(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Option<Node>> {
        resolve(fail, wait, Some(Node)).await
    }
    async fn must_node(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Node> {
        resolve(fail, wait, Node).await
    }
    async fn nodes(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Option<Vec<Node>>> {
        resolve(fail, wait, Some(vec![Node, Node])).await
    }
    async fn must_nodes(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Vec<Node>> {
        resolve(fail, wait, vec![Node, Node]).await
    }
    async fn some_nodes(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Vec<Option<Node>>> {
        resolve(fail, wait, vec![Some(Node), Some(Node)]).await
    }
    async fn values(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Option<Vec<Result<i32>>>> {
        resolve(fail, wait, Some(values(fail))).await
    }
    async fn must_values(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Vec<Result<i32>>> {
        resolve(fail, wait, values(fail)).await
    }
    async fn some_values(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Vec<Option<Result<i32>>>> {
        resolve(fail, wait, values(fail).into_iter().map(Some).collect()).await
    }
    async fn grid(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Option<Vec<Vec<Result<i32>>>>> {
        resolve(fail, wait, Some(vec![values(None), values(fail)])).await
    }
    async fn must_grid(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Vec<Vec<Result<i32>>>> {
        resolve(fail, wait, vec![values(None), values(fail)]).await
    }
    async fn face(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Option<Face>> {
        resolve(fail, wait, Some(Face::Node(Node))).await
    }
    async fn must_face(&self, fail: Option<i32>, wait: Option<i32>) -> Result<Face> {
        resolve(fail, wait, Face::Leaf(Leaf)).await
    }
}

/// Makes a document from bytes, each of which is one choice. A response name says which arguments its field has, so that
/// fields of one name can always be merged.
struct Writer<'b> {
    choices: std::slice::Iter<'b, u8>,
}

impl Writer<'_> {
    fn choose(&mut self, below: usize) -> usize {
        usize::from(*self.choices.next().unwrap_or(&0)) % below
    }

    /// Writes a selection set on a type. One field in it has no condition.
    fn set(&mut self, of: &str, depth: usize, is_root: bool) -> String {
        let mut items: Vec<String> = (0..self.choose(4)).map(|_| self.item(of, depth, is_root)).collect();
        items.insert(self.choose(items.len() + 1), "__typename".to_owned());
        format!("{{{}}}", items.join(" "))
    }

    fn item(&mut self, of: &str, depth: usize, is_root: bool) -> String {
        let condition = ["", "", "", " @skip(if:$yes)", " @include(if:$yes)", " @skip(if:false)"][self.choose(6)];
        match self.choose(6) {
            0 if depth > 0 => format!("...{condition}{}", self.set(of, depth - 1, is_root)),
            1 if depth > 0 => {
                let on = match of {
                    "Query" => "Query",
                    "Face" => ["Face", "Node", "Leaf"][self.choose(3)],
                    of => ["Face", of][self.choose(2)],
                };
                format!("...on {on}{condition}{}", self.set(on, depth - 1, is_root))
            }
            2 if of == "Query" => format!("...q{condition}"),
            // The fragments are on what every type but the root has. None of their fields waits.
            2 => format!("...f{}{condition}", self.choose(2)),
            _ => self.field(of, depth, is_root, condition),
        }
    }

    fn field(&mut self, of: &str, depth: usize, is_root: bool, condition: &str) -> String {
        let known = if matches!(of, "Node" | "Query") && depth > 0 { FIELDS.len() } else { 2 };
        let (name, of) = FIELDS[self.choose(known)];
        let fail = [0, 0, 0, ITSELF, ITEM][self.choose(5)];
        let wait = if is_root { self.choose(3) } else { 0 };
        let inside = match of.trim_matches(['[', ']', '!']) {
            "Int" => String::new(),
            inside => self.set(inside, depth - 1, false),
        };
        format!("{name}{fail}{wait}:{name}(fail:{fail},wait:{wait}){condition}{inside}")
    }

    fn document(&mut self) -> String {
        // The validator rejects what is not used.
        let used = "...q @skip(if:$yes) node @skip(if:$yes){...f0 ...f1}";
        let root = self.set("Query", 4, true).replacen('{', &format!("{{{used} "), 1);
        let further = format!(" fragment q on Query{}", self.set("Query", 0, false)).replace("...q", "__typename");
        let fragments = [0, 1].map(|n| format!(" fragment f{n} on Face{}", self.leaves()));
        format!("query($yes:Boolean!){root}{further}{}", fragments.concat())
    }

    fn leaves(&mut self) -> String {
        let items: Vec<String> = (0..=self.choose(2)).map(|_| self.field("Face", 0, false, "")).collect();
        format!("{{__typename {}}}", items.join(" "))
    }
}

/// The executor of the specification: section 6.3 and 6.4.
struct Reference<'d> {
    document: &'d ExecutableDocument,
    errors: Vec<Vec<PathSegment>>,
}

/// A field error that the field around it has to handle.
struct Failed;

impl<'d> Reference<'d> {
    fn run(document: &'d ExecutableDocument) -> (Value, Vec<Vec<PathSegment>>) {
        let mut reference = Reference { document, errors: Vec::new() };
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let data = reference.object("Query", &[&operation.node.selection_set.node], &mut Vec::new());
        (data.unwrap_or(Value::Null), reference.errors)
    }

    fn object(&mut self, of: &str, sets: &[&'d SelectionSet], path: &mut Vec<PathSegment>) -> Result<Value, Failed> {
        let mut grouped: IndexMap<Name, Vec<&'d Field>> = IndexMap::new();
        for set in sets {
            self.collect(of, set, &mut grouped);
        }
        let (mut members, mut is_failed) = (IndexMap::new(), false);
        for (name, fields) in grouped {
            path.push(PathSegment::Field(name.to_string()));
            match self.field(of, &fields, path) {
                Ok(value) => drop(members.insert(name, value)),
                Err(Failed) => is_failed = true,
            }
            path.pop();
        }
        if is_failed { Err(Failed) } else { Ok(Value::Object(members)) }
    }

    fn collect(&self, of: &str, set: &'d SelectionSet, grouped: &mut IndexMap<Name, Vec<&'d Field>>) {
        for selection in &set.items {
            if is_excluded(selection.node.directives()) {
                continue;
            }
            let (on, inside) = match &selection.node {
                Selection::Field(field) => {
                    let name = field.node.response_key().node.clone();
                    grouped.entry(name).or_default().push(&field.node);
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    (fragment.node.type_condition.as_ref(), &fragment.node.selection_set.node)
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = &self.document.fragments[&spread.node.fragment_name.node].node;
                    (Some(&fragment.type_condition), &fragment.selection_set.node)
                }
            };
            let is_on = |on: &str| on == of || (on == "Face" && of != "Query");
            if on.is_none_or(|on| is_on(&on.node.on.node)) {
                self.collect(of, inside, grouped);
            }
        }
    }

    fn field(&mut self, parent: &str, fields: &[&'d Field], path: &mut Vec<PathSegment>) -> Result<Value, Failed> {
        let name = fields[0].name.node.as_str();
        if name == "__typename" {
            return Ok(Value::from(parent));
        }
        let (_, of) = FIELDS.into_iter().find(|(known, _)| *known == name).expect("a known field");
        let fail = fields[0].get_argument("fail").map(|value| value.node.clone());
        let fail = [ITSELF, ITEM].into_iter().find(|way| fail == Some(Literal::Number((*way).into()))).unwrap_or(0);
        self.complete(of, Given { name, fail }, fields, path)
    }

    fn complete(
        &mut self,
        of: &str,
        given: Given<'_>,
        fields: &[&'d Field],
        path: &mut Vec<PathSegment>,
    ) -> Result<Value, Failed> {
        if let Some(of) = of.strip_suffix('!') {
            return match self.complete(of, given, fields, path)? {
                Value::Null => Err(Failed),
                value => Ok(value),
            };
        }
        if given.fail == ITSELF {
            self.errors.push(path.clone());
            return Ok(Value::Null);
        }
        let list = of.strip_prefix('[').and_then(|of| of.strip_suffix(']'));
        let completed = match (list, of) {
            (Some(item), _) => self.list(item, given, fields, path),
            (None, "Int") => Ok(Value::from(if path.last() == Some(&PathSegment::Index(1)) { 2 } else { 1 })),
            (None, of) => {
                let concrete = if given.name == "mustFace" { "Leaf" } else { "Node" };
                assert!([concrete, "Face"].contains(&of), "{of}");
                let sets: Vec<_> = fields.iter().map(|field| &field.selection_set.node).collect();
                self.object(concrete, &sets, path)
            }
        };
        Ok(completed.unwrap_or(Value::Null))
    }

    fn list(
        &mut self,
        item: &str,
        given: Given<'_>,
        fields: &[&'d Field],
        path: &mut Vec<PathSegment>,
    ) -> Result<Value, Failed> {
        let (mut items, mut is_failed) = (Vec::new(), false);
        for index in 0..2 {
            // The last item fails: in a list of lists, that of the last.
            let is_value = item.starts_with("Int");
            let fail = match given.fail {
                ITEM if index == 1 => {
                    if is_value {
                        ITSELF
                    } else {
                        ITEM
                    }
                }
                _ => 0,
            };
            path.push(PathSegment::Index(index));
            match self.complete(item, Given { fail, ..given }, fields, path) {
                Ok(value) => items.push(value),
                Err(Failed) => is_failed = true,
            }
            path.pop();
        }
        if is_failed { Err(Failed) } else { Ok(Value::List(items)) }
    }
}

/// What a field is given: its name, and the way in which it fails.
#[derive(Clone, Copy)]
struct Given<'n> {
    name: &'n str,
    fail: i32,
}

fn is_excluded(directives: &[Positioned<Directive>]) -> bool {
    directives.iter().any(|directive| {
        let condition = &directive.node.get_argument("if").expect("a condition").node;
        let is_true = matches!(condition, Literal::Boolean(true) | Literal::Variable(_));
        is_true == (directive.node.name.node == "skip")
    })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// The answer to a document, as text, and the places of its errors.
type Answer = (String, Vec<String>);

fn answer(data: &Value, errors: impl IntoIterator<Item = Vec<PathSegment>>) -> Answer {
    let mut errors: Vec<String> = errors.into_iter().map(|path| serde_json::to_string(&path).expect("JSON")).collect();
    errors.sort_unstable();
    (serde_json::to_string(data).expect("JSON"), errors)
}

fn expected(text: &str) -> Answer {
    let document = parse_query(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let (data, errors) = Reference::run(&document);
    answer(&data, errors)
}

fn found(text: &str) -> Answer {
    let schema = Schema::build(Query(Node), EmptyMutation, EmptySubscription).extension(Completion).finish();
    let request = Request::new(text).variables(Variables::from_value(value!({ "yes": true })));
    let response = runtime().block_on(execute(&schema, request, parse_query(text).expect("a document"), None));
    answer(&response.data, response.errors.into_iter().map(|error| error.path))
}

proptest! {
    #[test]
    fn answers_are_those_of_the_specification(choices in vec(any::<u8>(), 0..150)) {
        let text = Writer { choices: choices.iter() }.document();
        prop_assert_eq!(found(&text), expected(&text), "{}", text);
    }
}

#[test]
fn one_failing_field_in_each_nesting() {
    let fail = "mustValue(fail:1)";
    for (inside, data, path) in [
        ("value(fail:1) node{mustValue}", r#"{"value":null,"node":{"mustValue":1}}"#, r#"["value"]"#),
        ("node{mustNode{value mustValue(fail:1)}}", r#"{"node":null}"#, r#"["node","mustNode","mustValue"]"#),
        ("node{value mustNodes{mustValue(fail:1)}}", r#"{"node":null}"#, r#"["node","mustNodes",0,"mustValue"]"#),
        (
            "value nodes{value(fail:1)}",
            r#"{"value":1,"nodes":[{"value":null},{"value":null}]}"#,
            r#"["nodes",0,"value"]"#,
        ),
        ("value nodes{mustValue(fail:1)}", r#"{"value":1,"nodes":null}"#, r#"["nodes",0,"mustValue"]"#),
        (
            "value someNodes{mustValue(fail:1)}",
            r#"{"value":1,"someNodes":[null,null]}"#,
            r#"["someNodes",0,"mustValue"]"#,
        ),
        ("value values(fail:2)", r#"{"value":1,"values":null}"#, r#"["values",1]"#),
        ("value someValues(fail:2)", r#"{"value":1,"someValues":[1,null]}"#, r#"["someValues",1]"#),
        ("node{value mustValues(fail:2)}", r#"{"node":null}"#, r#"["node","mustValues",1]"#),
        ("grid(fail:2) value", r#"{"grid":null,"value":1}"#, r#"["grid",1,1]"#),
        ("face{...on Node{mustValue(fail:1)}} value", r#"{"face":null,"value":1}"#, r#"["face","mustValue"]"#),
        (fail, "null", r#"["mustValue"]"#),
        ("value mustFace{...on Leaf{mustValue(fail:1)}}", "null", r#"["mustFace","mustValue"]"#),
        ("value mustGrid(fail:2)", "null", r#"["mustGrid",1,1]"#),
        ("node{value} ...on Query{...{node{mustValue(fail:1)}}}", r#"{"node":null}"#, r#"["node","mustValue"]"#),
        ("node{mustValue(fail:1)} node{value}", r#"{"node":null}"#, r#"["node","mustValue"]"#),
        ("node{value} node{mustValue(fail:1)} node{mustValue(fail:1)}", r#"{"node":null}"#, r#"["node","mustValue"]"#),
        ("a:node(wait:2){value} b:value(wait:1,fail:1) c:value", r#"{"a":{"value":1},"b":null,"c":1}"#, r#"["b"]"#),
    ] {
        let (answered, errors) = found(&format!("{{{inside}}}"));
        assert_eq!((answered.as_str(), errors.first().map(String::as_str)), (data, Some(path)), "{inside}");
    }
}

/// The control: without the extension and the order the same documents get other answers.
#[test]
fn control_the_library_alone_answers_otherwise() {
    let schema = Schema::build(Query(Node), EmptyMutation, EmptySubscription).finish();
    let (mut state, mut differ, mut agree) = (1_u64, 0, 0);
    let runtime = runtime();
    for _ in 0..300 {
        let choices: Vec<u8> = repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(150)
        .collect();
        let text = Writer { choices: choices.iter() }.document();
        let request = Request::new(&text).variables(Variables::from_value(value!({ "yes": true })));
        let response = runtime.block_on(schema.execute(request));
        let alone = answer(&response.data, response.errors.into_iter().map(|error| error.path));
        if alone == expected(&text) {
            agree += 1
        } else {
            differ += 1
        }
        assert_eq!(found(&text), expected(&text), "{text}");
    }
    assert!(differ > 50 && agree > 20, "{differ} differ, {agree} agree");
}
