//! Questions about the schema: what their answers come to, by the schema's real lists, and answers that are kept.
//!
//! Types refer to types, so every level of a question multiplies its answer: a kilobyte of text can ask for hundreds of
//! megabytes. The schema is small and never changes, so the size of an answer is found by walking the question over the
//! schema, each part of it once for each type, before anything is executed.

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

/// Bytes of an answer about the schema. That of the usual question is a tenth of it.
pub const MAX_ANSWER: usize = 1024 * 1024;
/// Bytes from which on an answer is made beside the threads that all requests share.
pub const HEAVY_ANSWER: usize = 32 * 1024;
/// Bytes of answers kept for tenants, and for requests without a credential.
const KEPT: u64 = 4 * 1024 * 1024;
/// Answers expected, to size the table.
const EXPECTED: usize = 32;
/// What each question at the top costs beside its answer: the library looks through the whole schema for it.
const ROOT: usize = 4 * 1024;
/// Bytes of what surrounds a member of an object, its name and value left out: quotes, colon, comma.
const MEMBER: usize = 4;

/// The parts of a question that are the same for every type.
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

/// The schema as it answers about itself.
pub struct Introspection {
    shape: OnceCell<Shape>,
    tenants: Answers,
    unauthenticated: Answers,
}

/// Answers by text and operation.
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
        // The list itself only refers to the types, as every other place does.
        for of in schema["types"].as_array_mut().into_iter().flatten() {
            *of = serde_json::json!({ "kind": of["kind"], "name": of["name"] });
        }
        Shape { schema, types }
    }

    /// Returns the type that an object refers to, or the object itself if it is no type with a name.
    fn full<'s>(&'s self, object: &'s Value) -> &'s Value {
        let name = object.get("kind").and_then(|_| object.get("name")?.as_str());
        name.and_then(|name| self.types.get(name)).unwrap_or(object)
    }
}

impl Introspection {
    /// Nothing known yet: the schema is read when it is first needed.
    pub fn new() -> Self {
        let answers = || Cache::with_weighter(EXPECTED, KEPT, ByLength);
        Introspection { shape: OnceCell::new(), tenants: answers(), unauthenticated: answers() }
    }

    /// Bytes of what the operation's questions about the schema come to. Refused past [`MAX_ANSWER`].
    pub async fn weigh(
        &self,
        schema: &RollcallSchema,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
    ) -> Result<usize, String> {
        if !asks_schema(document, &operation.selection_set.node) {
            return Ok(0);
        }
        let shape = self.shape.get_or_init(|| Shape::read(schema)).await;
        let mut scales = Scales { document, operation, variables, shape, known: HashMap::new() };
        scales.root(&operation.selection_set.node).map_err(|TooLarge| {
            format!("the answer about the schema would be larger than {} MiB", MAX_ANSWER / 1024 / 1024)
        })
    }

    /// The answer that was kept for this question.
    pub fn answer(&self, is_tenant: bool, text: &str, operation: Option<&str>) -> Option<Bytes> {
        self.answers(is_tenant).get(&(text.to_owned(), operation.map(str::to_owned)))
    }

    /// Keeps an answer. Only that of a document that asks about the schema and nothing else, and takes no variables:
    /// then the text alone decides.
    pub fn keep(&self, is_tenant: bool, text: &str, operation: Option<&str>, answer: Bytes) {
        self.answers(is_tenant).insert((text.to_owned(), operation.map(str::to_owned)), answer);
    }

    const fn answers(&self, is_tenant: bool) -> &Answers {
        if is_tenant { &self.tenants } else { &self.unauthenticated }
    }
}

/// Whether any field at the top asks about the schema.
fn asks_schema(document: &ExecutableDocument, set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => matches!(field.node.name.node.as_str(), "__schema" | "__type"),
        Selection::InlineFragment(fragment) => asks_schema(document, &fragment.node.selection_set.node),
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node);
            fragment.is_some_and(|fragment| asks_schema(document, &fragment.node.selection_set.node))
        }
    })
}

/// The answer is past its bound. A part that is past it ends the weighing, so that it costs no more than the bound.
struct TooLarge;

struct Scales<'d> {
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
    variables: &'d Variables,
    shape: &'d Shape,
    /// What a selection comes to on one object of the schema, by their addresses.
    known: HashMap<(usize, usize), usize>,
}

impl<'d> Scales<'d> {
    fn root(&mut self, set: &'d SelectionSet) -> Result<usize, TooLarge> {
        let mut total = 0;
        for selection in &set.items {
            total += match &selection.node {
                Selection::Field(field) => match field.node.name.node.as_str() {
                    "__schema" => ROOT + self.set(&field.node.selection_set.node, &self.shape.schema)?,
                    "__type" => ROOT + self.named(&field.node)?,
                    // Other fields are weighed elsewhere.
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
        // An unknown fragment is for the validator to name.
        self.document.fragments.get(name).map(|fragment| &fragment.node.selection_set.node)
    }

    /// A type that is asked for by its name.
    fn named(&mut self, field: &'d Field) -> Result<usize, TooLarge> {
        let argument = field.get_argument("name").cloned().map(|value| value.node);
        let name = argument.and_then(|value| value.into_const_with(|name| self.variable(&name)).ok());
        let of = match name {
            Some(ConstValue::String(name)) => self.shape.types.get(&name),
            _ => None,
        };
        of.map_or(Ok(MEMBER), |of| self.set(&field.selection_set.node, of))
    }

    fn variable(&self, name: &Name) -> Result<ConstValue, ()> {
        let mut definitions = self.operation.variable_definitions.iter();
        let default = definitions.find(|known| known.node.name.node == *name);
        let default = default.and_then(|known| known.node.default_value.as_ref()).map(|value| &value.node);
        self.variables.get(name).or(default).cloned().ok_or(())
    }

    /// Bytes of a selection on one object. A fragment is taken to apply to every object.
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
                    MEMBER + key + self.value(field, on.get(field.name.node.as_str()))?
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
                // Where the argument is given at all it is taken to ask for everything.
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
            // The name of a type, or a field that is not there, which is for the validator to name.
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

    /// The question of graphql-js with every option, which GraphiQL, Altair, Insomnia, Apollo and code generators send;
    /// so many levels of `ofType` (7 in its version 16, 9 since).
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
        let operation = guard::operation(&document, None).unwrap();
        let schema = schema().finish();
        Introspection::new().weigh(&schema, &document, operation, &Variables::from_json(variables)).await
    }

    async fn answered(text: &str) -> usize {
        let response = schema().finish().execute(text).await;
        assert!(response.errors.is_empty(), "{text}: {:?}", response.errors);
        serde_json::to_vec(&response.data).unwrap().len()
    }

    #[tokio::test]
    async fn answers_are_as_long_as_they_were_weighed() {
        let user = "{__type(name:\"User\"){name possibleTypes{name fields{name type{name ofType{name}}}}}}";
        let nested = "{__schema{types{fields{type{fields{name args{name}}}}}}}";
        for text in [usual(7), usual(9), user.to_owned(), nested.to_owned()] {
            let (weighed, answered) = (weigh(&text, json!({})).await.unwrap() - ROOT, answered(&text).await);
            assert!(weighed * 10 >= answered * 9, "{weighed} of {answered}: {text}");
            assert!(weighed * 4 <= answered * 5, "{weighed} of {answered}: {text}");
        }
        assert!(weigh(&usual(9), json!({})).await.unwrap() * 2 < MAX_ANSWER, "{:?}", weigh(&usual(9), json!({})).await);
    }

    #[tokio::test]
    async fn what_multiplies_is_refused_however_it_is_written() {
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
        assert_eq!(weigh(&named, json!({ "n": "Nothing" })).await, Ok(ROOT + MEMBER));
        let default = named.replace("String!", "String=\"User\"");
        assert!(weigh(&default, json!({})).await.is_err());
        assert_eq!(weigh("{__typename users{edges{node{__typename}}}}", json!({})).await, Ok(0));
    }

    /// What the shape left out would weigh nothing.
    #[tokio::test]
    async fn every_field_of_the_schema_s_own_types_is_in_the_shape() {
        let shape = Shape::read(&schema().finish()).await;
        let first = |list: &Value| list[0].clone();
        let query = &shape.types["Query"];
        let objects = [
            ("__Schema", shape.schema.clone()),
            ("__Type", query.clone()),
            ("__Field", first(&query["fields"])),
            ("__InputValue", first(&query["fields"][0]["args"])),
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
