//! Introspection: the size of an answer, computed before execution, and a cache of answers.
//!
//! Types refer to types, so every level of a query multiplies its answer: a kilobyte of text can select hundreds of
//! megabytes. The schema is small and never changes, so the size of an answer is computed by walking the query over the
//! schema, each selection set once per type.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Variables};
use async_graphql_value::ConstValue;
use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::RollcallSchema;

/// Largest introspection answer, in bytes. The usual introspection query needs about a tenth.
pub const MAX_ANSWER: usize = 1024 * 1024;
/// Size in bytes above which an answer is made on the blocking pool instead of the request threads.
pub const HEAVY_ANSWER: usize = 32 * 1024;
/// Most bytes of cached answers, for all tenants together and again for all requests without a credential.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// Expected answers, to size the table.
const EXPECTED_ANSWERS: usize = 32;
/// Weight of each root field in addition to its answer: async-graphql walks the whole schema for it.
const ROOT_FIELD_WEIGHT: usize = 4 * 1024;
/// Bytes of a member of an object without its name and value: two quotes, a colon and a comma.
const MEMBER_OVERHEAD: usize = 4;

/// The query for everything in the schema; [`Shape`] holds its answer.
const SCHEMA: &str = "{__schema{description queryType{kind name} mutationType{kind name} subscriptionType{kind name}
    types{kind name description specifiedByURL isOneOf
        fields(includeDeprecated:true){name description isDeprecated deprecationReason
            args(includeDeprecated:true){...input} type{...type}}
        interfaces{kind name} possibleTypes{kind name}
        enumValues(includeDeprecated:true){name description isDeprecated deprecationReason}
        inputFields(includeDeprecated:true){...input} ofType{kind name}}
    directives{name description locations isRepeatable args(includeDeprecated:true){...input}}}}
    fragment input on __InputValue{name description defaultValue isDeprecated deprecationReason type{...type}}
    fragment type on __Type{kind name ofType{kind name ofType{kind name ofType{kind name ofType{kind name}}}}}";

/// The shape of the schema, and the cached answers.
pub struct Introspection {
    shape: OnceCell<Shape>,
    tenants: Answers,
    unauthenticated: Answers,
}

/// Cached answers by document text and operation name.
type Answers = Cache<(String, Option<String>), Bytes, ByLength>;

#[derive(Clone)]
struct ByLength;

impl Weighter<(String, Option<String>), Bytes> for ByLength {
    fn weight(&self, (text, operation): &(String, Option<String>), answer: &Bytes) -> u64 {
        (text.len() + operation.as_ref().map_or(0, String::len) + answer.len()) as u64
    }
}

/// The answer to [`SCHEMA`], and its types by name.
struct Shape {
    schema: Value,
    types: HashMap<String, Value>,
}

impl Shape {
    async fn read(schema: &RollcallSchema) -> Self {
        let data = schema.execute(SCHEMA).await.data;
        let mut schema = data.into_json().unwrap_or_default()["__schema"].take();
        let name = |of: &Value| of["name"].as_str().unwrap_or_default().to_owned();
        let types = schema["types"].as_array().into_iter().flatten().map(|of| (name(of), of.clone())).collect();
        // In the list itself the types become references, as in every other place.
        for of in schema["types"].as_array_mut().into_iter().flatten() {
            *of = serde_json::json!({ "kind": of["kind"], "name": of["name"] });
        }
        Shape { schema, types }
    }

    /// Returns the type that an object refers to, or the object itself if it is not a named type.
    fn full<'s>(&'s self, object: &'s Value) -> &'s Value {
        let name = object.get("kind").and_then(|_| object.get("name")?.as_str());
        name.and_then(|name| self.types.get(name)).unwrap_or(object)
    }
}

impl Introspection {
    /// Starts with empty caches; the schema is read on first use.
    pub fn new() -> Self {
        let answers = || Cache::with_weighter(EXPECTED_ANSWERS, CACHE_BYTES, ByLength);
        Introspection { shape: OnceCell::new(), tenants: answers(), unauthenticated: answers() }
    }

    /// Returns the estimated bytes of the answers to the operation's introspection fields, 0 without such fields. An
    /// error message above [`MAX_ANSWER`].
    pub async fn weigh(
        &self,
        schema: &RollcallSchema,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
    ) -> Result<usize, String> {
        if !selects_schema(document, &operation.selection_set.node) {
            return Ok(0);
        }
        let shape = self.shape.get_or_init(|| Shape::read(schema)).await;
        let mut weigher = AnswerWeigher { document, operation, variables, shape, known: HashMap::new() };
        weigher.root(&operation.selection_set.node).map_err(|TooLarge| {
            format!("the answer about the schema would be larger than {} MiB", MAX_ANSWER / 1024 / 1024)
        })
    }

    /// Returns the cached answer to an operation of a document, if there is one.
    pub fn answer(&self, is_tenant: bool, text: &str, operation: Option<&str>) -> Option<Bytes> {
        self.answers(is_tenant).get(&(text.to_owned(), operation.map(str::to_owned)))
    }

    /// Caches an answer. Only for documents that select introspection fields only and take no variables: other answers
    /// depend on more than the text.
    pub fn keep(&self, is_tenant: bool, text: &str, operation: Option<&str>, answer: Bytes) {
        self.answers(is_tenant).insert((text.to_owned(), operation.map(str::to_owned)), answer);
    }

    const fn answers(&self, is_tenant: bool) -> &Answers {
        if is_tenant { &self.tenants } else { &self.unauthenticated }
    }
}

/// Returns true if a root field is `__schema` or `__type`.
fn selects_schema(document: &ExecutableDocument, set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => matches!(field.node.name.node.as_str(), "__schema" | "__type"),
        Selection::InlineFragment(fragment) => selects_schema(document, &fragment.node.selection_set.node),
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node);
            fragment.is_some_and(|fragment| selects_schema(document, &fragment.node.selection_set.node))
        }
    })
}

/// The answer exceeds [`MAX_ANSWER`]. Returned as soon as a part does, so that the walk itself stays bounded.
struct TooLarge;

struct AnswerWeigher<'d> {
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
    variables: &'d Variables,
    shape: &'d Shape,
    /// Bytes of a selection set on one object of the schema, by the addresses of both.
    known: HashMap<(usize, usize), usize>,
}

impl<'d> AnswerWeigher<'d> {
    fn root(&mut self, set: &'d SelectionSet) -> Result<usize, TooLarge> {
        let mut total = 0;
        for selection in &set.items {
            total += match &selection.node {
                Selection::Field(field) => match field.node.name.node.as_str() {
                    "__schema" => ROOT_FIELD_WEIGHT + self.set(&field.node.selection_set.node, &self.shape.schema)?,
                    "__type" => ROOT_FIELD_WEIGHT + self.named(&field.node)?,
                    // The cost of other fields is computed in `cost`.
                    _ => 0,
                },
                Selection::InlineFragment(fragment) => self.root(&fragment.node.selection_set.node)?,
                Selection::FragmentSpread(spread) => match self.fragment(&spread.node.fragment_name.node) {
                    Some(set) => self.root(set)?,
                    None => 0,
                },
            };
            within(total)?;
        }
        Ok(total)
    }

    fn fragment(&self, name: &Name) -> Option<&'d SelectionSet> {
        // The validator reports unknown fragments.
        self.document.fragments.get(name).map(|fragment| &fragment.node.selection_set.node)
    }

    /// Returns the bytes of a `__type` field; an unknown type is answered with null.
    fn named(&mut self, field: &'d Field) -> Result<usize, TooLarge> {
        let argument = field.get_argument("name").cloned().map(|value| value.node);
        let name = argument.and_then(|value| value.into_const_with(|name| self.variable(&name)).ok());
        let of = match name {
            Some(ConstValue::String(name)) => self.shape.types.get(&name),
            _ => None,
        };
        of.map_or(Ok(MEMBER_OVERHEAD), |of| self.set(&field.selection_set.node, of))
    }

    fn variable(&self, name: &Name) -> Result<ConstValue, ()> {
        let mut definitions = self.operation.variable_definitions.iter();
        let default = definitions.find(|known| known.node.name.node == *name);
        let default = default.and_then(|known| known.node.default_value.as_ref()).map(|value| &value.node);
        self.variables.get(name).or(default).cloned().ok_or(())
    }

    /// Returns the bytes of a selection set on one object. Fragments count on every object, whatever their type.
    fn set(&mut self, set: &'d SelectionSet, on: &'d Value) -> Result<usize, TooLarge> {
        let key = (std::ptr::from_ref(set).addr(), std::ptr::from_ref(on).addr());
        if let Some(size) = self.known.get(&key) {
            return Ok(*size);
        }
        let mut size = 2;
        for selection in &set.items {
            size += match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let key = field.alias.as_ref().unwrap_or(&field.name).node.len();
                    MEMBER_OVERHEAD + key + self.value(field, on.get(field.name.node.as_str()))?
                }
                Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node, on)?,
                Selection::FragmentSpread(spread) => match self.fragment(&spread.node.fragment_name.node) {
                    Some(set) => self.set(set, on)?,
                    None => 0,
                },
            };
            within(size)?;
        }
        self.known.insert(key, size);
        Ok(size)
    }

    fn value(&mut self, field: &'d Field, value: Option<&'d Value>) -> Result<usize, TooLarge> {
        let set = &field.selection_set.node;
        Ok(match value {
            Some(Value::Null) => "null".len(),
            Some(Value::Bool(_)) => "false".len(),
            Some(Value::String(text)) => text.len() + 2,
            Some(Value::Array(items)) => {
                // Any value of the argument counts as true, so that variables need not be resolved.
                let has_all = field.get_argument("includeDeprecated").is_some();
                let mut size = 2;
                for item in items {
                    if has_all || item.get("isDeprecated") != Some(&Value::Bool(true)) {
                        size += 1 + self.value(field, Some(item))?;
                    }
                    within(size)?;
                }
                size
            }
            Some(object @ Value::Object(_)) => self.set(set, self.shape.full(object))?,
            // `__typename`, or an unknown field, which the validator reports.
            Some(Value::Number(_)) | None => "\"__EnumValue\"".len(),
        })
    }
}

const fn within(size: usize) -> Result<(), TooLarge> {
    if size > MAX_ANSWER { Err(TooLarge) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;
    use crate::http::graphql::{guard, schema};

    /// The introspection query of graphql-js with every option, as sent by GraphiQL, Altair, Insomnia, Apollo and code
    /// generators. `levels` is the depth of `ofType`: 7 in version 16 of graphql-js, 9 since.
    fn usual(levels: usize) -> String {
        let input = "name description type{...TypeRef} defaultValue isDeprecated deprecationReason";
        let of = format!("{}kind name{}", "kind name ofType{".repeat(levels), "}".repeat(levels));
        format!(
            "query IntrospectionQuery{{__schema{{description queryType{{name kind}} mutationType{{name kind}}
                subscriptionType{{name kind}} types{{...FullType}} directives{{name description isRepeatable locations
                args(includeDeprecated:true){{...InputValue}}}}}}}}
            fragment FullType on __Type{{kind name description specifiedByURL isOneOf
                fields(includeDeprecated:true){{name description args(includeDeprecated:true){{...InputValue}}
                    type{{...TypeRef}} isDeprecated deprecationReason}}
                inputFields(includeDeprecated:true){{...InputValue}} interfaces{{...TypeRef}}
                enumValues(includeDeprecated:true){{name description isDeprecated deprecationReason}}
                possibleTypes{{...TypeRef}}}}
            fragment InputValue on __InputValue{{{input}}} fragment TypeRef on __Type{{{of}}}"
        )
    }

    async fn weigh(text: &str, variables: Value) -> Result<usize, String> {
        let document = parse_query(text).unwrap();
        guard::count(&document).unwrap();
        let operation = &guard::operation(&document, None).unwrap().node;
        let schema = schema().finish();
        Introspection::new().weigh(&schema, &document, operation, &Variables::from_json(variables)).await
    }

    async fn answered(text: &str) -> usize {
        let response = schema().finish().execute(text).await;
        assert!(response.errors.is_empty(), "{text}: {:?}", response.errors);
        serde_json::to_vec(&response.data).unwrap().len()
    }

    #[tokio::test]
    async fn estimates_are_close_to_the_answers() {
        let user = "{__type(name:\"User\"){name possibleTypes{name fields{name type{name ofType{name}}}}}}";
        let nested = "{__schema{types{fields{type{fields{name args{name}}}}}}}";
        for text in [usual(7), usual(9), user.to_owned(), nested.to_owned()] {
            let (weighed, answered) =
                (weigh(&text, json!({})).await.unwrap() - ROOT_FIELD_WEIGHT, answered(&text).await);
            assert!(weighed * 10 >= answered * 9, "{weighed} of {answered}: {text}");
            assert!(weighed * 4 <= answered * 5, "{weighed} of {answered}: {text}");
        }
        assert!(weigh(&usual(9), json!({})).await.unwrap() * 2 < MAX_ANSWER, "{:?}", weigh(&usual(9), json!({})).await);
    }

    #[tokio::test]
    async fn multiplying_queries_are_rejected_in_every_form() {
        let pairs = 10;
        let cycle = format!("{}name{}", "possibleTypes{interfaces{".repeat(pairs), "}}".repeat(pairs));
        let deep = format!("{{__schema{{types{{{cycle}}}}}}}");
        let inline = format!("{{...{{__schema{{...on __Schema{{types{{...{{{cycle}}}}}}}}}}}}}");
        let all = "fields{name description type{name kind description} args{name description}}";
        let aliases: String = (0..45).map(|n| format!("a{n}:{all} ")).collect();
        let wide = format!("{{__schema{{types{{{aliases}}}}}}}");
        let roots: String = (0..30).map(|n| format!("a{n}:__schema{{...S}} ")).collect();
        let roots = format!("{{{roots}}} fragment S on __Schema{{types{{{all}}}}}");
        let mut spread = String::from("{__schema{types{...f0}} connectedUsersIndicator{connectedUsersCount}}");
        for n in 0..6 {
            spread.push_str(&format!(" fragment f{n} on __Type{{fields{{type{{...f{m} ...f{m}}}}}}}", m = n + 1));
        }
        spread.push_str(" fragment f6 on __Type{possibleTypes{fields{name}}}");
        let spread = spread.replace("fields{type", "possibleTypes{interfaces");
        for text in [&deep, &inline, &wide, &roots, &spread] {
            assert!(weigh(text, json!({})).await.is_err(), "{text}");
        }
        let named = format!("query($n:String!){{__type(name:$n){{{cycle}}}}}");
        assert!(weigh(&named, json!({ "n": "User" })).await.is_err());
        assert_eq!(weigh(&named, json!({ "n": "Nothing" })).await, Ok(ROOT_FIELD_WEIGHT + MEMBER_OVERHEAD));
        let default = named.replace("String!", "String=\"User\"");
        assert!(weigh(&default, json!({})).await.is_err());
        assert_eq!(weigh("{__typename users{edges{node{__typename}}}}", json!({})).await, Ok(0));
    }

    /// Fails if [`SCHEMA`] lacks a field: its answers would be underestimated.
    #[tokio::test]
    async fn the_shape_has_every_introspection_field() {
        let shape = Shape::read(&schema().finish()).await;
        let first = |list: &Value| list[0].clone();
        let query = &shape.types["Query"];
        let objects = [
            ("__Schema", shape.schema.clone()),
            ("__Type", query.clone()),
            ("__Field", first(&query["fields"])),
            (
                "__InputValue",
                query["fields"].as_array().unwrap().iter().find_map(|field| field["args"].get(0)).unwrap().clone(),
            ),
            ("__EnumValue", first(&shape.types["UserRole"]["enumValues"])),
            ("__Directive", first(&shape.schema["directives"])),
        ];
        for (name, object) in objects {
            let fields = shape.types[name]["fields"].as_array().unwrap();
            assert!(!fields.is_empty(), "{name}");
            for field in fields {
                let field = field["name"].as_str().unwrap();
                assert!(object.get(field).is_some(), "{name}.{field}");
            }
        }
    }
}
