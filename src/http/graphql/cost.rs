//! The cost of an operation: its fields, multiplied by the assumed lengths of lists, and the argument values it uses.
//! It is the same for every tenant, so that clients can rely on it. What the operation can touch in a tenant's state is
//! in [`reach`], and what its answer takes while it is built in [`answer`].
//!
//! Computed here, before execution, because the complexity limit of async-graphql does not reach fields that are
//! selected on an interface, as most fields of a user are.

pub mod answer;
pub mod arguments;
pub mod reach;

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Variables};

use super::values::{MAX_USED, Sizes};
use arguments::Arguments;

/// Highest cost of an operation: enough for a full page of conversations with every field, not for two.
pub const MAX_COST: usize = 20_000;
/// Cost of scanning all users or all conversations for a list; its page is added.
pub const SCAN_COST: usize = 1_000;
/// Cost of an object that may have to be read from the store; its fields are added.
pub const READ_COST: usize = 500;
/// Cost of a mutation, which is made durable before the next one starts; its fields are added.
pub const MUTATION_COST: usize = 1_000;
/// Assumed length of an unpaged list.
pub const LIST_LENGTH: usize = 10;
/// Assumed length of the lists of a conversation: most conversations have one contact. Longer ones are bounded by the
/// page, which ends before it grows too large.
pub const FEW_ENTRIES: usize = 3;
/// Assumed length of a conversation's list of messages.
pub const MESSAGES: usize = 5;

/// The cost class of a field. The field's name is enough to find it: no name has two meanings in this schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CostClass {
    /// A single value or object.
    One,
    /// A single object that may have to be read from the store.
    Read,
    /// A page of a short list.
    Page,
    /// A page of a list for which all users or all conversations are scanned.
    Scan,
    /// An unpaged list.
    List,
    /// An unpaged list of a conversation.
    Few,
    /// All messages of a conversation.
    Messages,
    /// A mutation.
    Mutation,
}

const fn cost_class(field: &str) -> CostClass {
    match field.as_bytes() {
        b"projects" => CostClass::Page,
        b"users" | b"conversations" | b"closedConversations" => CostClass::Scan,
        b"conversation" => CostClass::Read,
        b"agents" | b"contacts" | b"routingEvents" => CostClass::Few,
        b"messages" => CostClass::Messages,
        b"groups" | b"skills" | b"roles" | b"spokenLanguages" | b"userErrors" => CostClass::List,
        b"userAvailabilityStatusUpdate" => CostClass::Mutation,
        _ => CostClass::One,
    }
}

/// The estimated work of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Cost of the fields, multiplied by the lengths of the lists around them.
    pub fields: usize,
    /// Scans of all users or all conversations.
    pub scans: usize,
    /// Argument values; those of a variable count for each use.
    pub values: usize,
}

impl Work {
    const fn and(self, other: Work) -> Work {
        Work {
            fields: self.fields.saturating_add(other.fields),
            scans: self.scans.saturating_add(other.scans),
            values: self.values.saturating_add(other.values),
        }
    }

    const fn times(self, count: usize) -> Work {
        Work {
            fields: self.fields.saturating_mul(count),
            scans: self.scans.saturating_mul(count),
            values: self.values.saturating_mul(count),
        }
    }
}

/// Returns the work of an operation, or an error message if it exceeds [`MAX_COST`] or uses too many values. Without
/// `are_counted` values are not limited, and returned as 0.
///
/// Only for a document that passed [`super::guard::count`]: a fragment that spreads itself would recurse forever.
pub fn weigh(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    are_counted: bool,
) -> Result<Work, String> {
    let (mut weigher, work) = weigh_all(document, operation, variables);
    if work.fields > MAX_COST {
        return Err(format!("the operation is too expensive: its cost is more than {MAX_COST}"));
    }
    if !are_counted {
        return Ok(Work { values: 0, ..work });
    }
    // The validator also visits fragments that are never spread before it rejects them, so their values count too.
    let unused: Vec<&Name> = document.fragments.keys().filter(|name| !weigher.known.contains_key(name)).collect();
    let used = unused.into_iter().fold(work.values, |sum, name| sum.saturating_add(weigher.fragment(name).values));
    if used > MAX_USED { Err(weigher.sizes.too_many_used()) } else { Ok(work) }
}

fn weigh_all<'d>(
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
    variables: &'d Variables,
) -> (CostWeigher<'d>, Work) {
    let defaults = operation.variable_definitions.iter().filter_map(|definition| {
        let (name, default) = (&definition.node.name.node, definition.node.default_value.as_ref()?);
        Some((name, &default.node))
    });
    // Given values come last and so replace the defaults.
    let sizes = Sizes::of(defaults.chain(variables.iter()));
    let mut weigher =
        CostWeigher { document, arguments: Arguments { operation, variables }, sizes, known: HashMap::new() };
    let work = weigher.set(&operation.selection_set.node).and(weigher.directives(&operation.directives));
    (weigher, work)
}

struct CostWeigher<'d> {
    document: &'d ExecutableDocument,
    arguments: Arguments<'d>,
    sizes: Sizes<'d>,
    /// Work of each fragment visited so far.
    known: HashMap<&'d Name, Work>,
}

impl<'d> CostWeigher<'d> {
    fn set(&mut self, set: &'d SelectionSet) -> Work {
        set.items.iter().fold(Work::default(), |sum, selection| {
            let inside = match &selection.node {
                Selection::Field(field) => self.field(&field.node),
                Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
            };
            sum.and(inside).and(self.directives(selection.node.directives()))
        })
    }

    fn field(&mut self, field: &'d Field) -> Work {
        let inside = self.set(&field.selection_set.node);
        let class = cost_class(&field.name.node);
        let (once, times) = match class {
            CostClass::One => (1, 1),
            CostClass::Read => (READ_COST, 1),
            CostClass::Page => (1, self.arguments.page(field)),
            CostClass::Scan => (SCAN_COST, self.arguments.page(field)),
            CostClass::List => (1, LIST_LENGTH),
            CostClass::Few => (1, FEW_ENTRIES),
            CostClass::Messages => (1, MESSAGES),
            CostClass::Mutation => (MUTATION_COST, 1),
        };
        let values = field.arguments.iter().map(|(_, value)| self.sizes.argument(&value.node));
        let values = values.fold(0, usize::saturating_add);
        inside.times(times).and(Work { fields: once, scans: usize::from(class == CostClass::Scan), values })
    }

    fn fragment(&mut self, name: &'d Name) -> Work {
        if let Some(cost) = self.known.get(name) {
            return *cost;
        }
        // The validator reports unknown fragments.
        let Some(fragment) = self.document.fragments.get(name) else { return Work::default() };
        let cost = self.set(&fragment.node.selection_set.node).and(self.directives(&fragment.node.directives));
        self.known.insert(name, cost);
        cost
    }

    /// Counts the values in the arguments of directives.
    fn directives(&self, directives: &[Positioned<Directive>]) -> Work {
        let arguments = directives.iter().flat_map(|directive| &directive.node.arguments);
        let values = arguments.map(|(_, value)| self.sizes.argument(&value.node));
        Work { values: values.fold(0, usize::saturating_add), ..Work::default() }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::http::graphql::schema;

    fn work(text: &str, variables: Json) -> Work {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        weigh_all(&document, &operation.node, &Variables::from_json(variables)).1
    }

    fn cost(text: &str, variables: Json) -> usize {
        work(text, variables).fields
    }

    fn is_refused(text: &str, variables: Json) -> bool {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        weigh(&document, &operation.node, &Variables::from_json(variables), true).is_err()
    }

    #[test]
    fn a_page_costs_its_size() {
        for (arguments, size) in [
            ("", 100),
            ("(first:7)", 7),
            ("(last:7)", 7),
            ("(first:0)", 1),
            ("(first:-1)", 100),
            ("(first:5000000000)", 100),
            ("(first:null)", 100),
            ("(first:$n)", 3),
            ("(last:$m)", 9),
            ("(first:$k)", 100),
        ] {
            let text = format!("query($n:Int $m:Int=9 $k:Int){{users{arguments}{{edges{{node{{id}}}}}}}}");
            assert_eq!(cost(&text, json!({ "n": 3 })), SCAN_COST + 3 * size, "{arguments}");
        }
    }

    #[test]
    fn nested_pages_multiply_in_fields_and_fragments() {
        let plain = "{users(first:10){edges{node{projects(first:4){edges{node{id}}}}}}}";
        let inline = "{users(first:10){edges{node{... on Expert{projects(first:4){edges{node{id}}}}}}}}";
        let spread = "{users(first:10){edges{node{...f}}}} fragment f on User{projects(first:4){edges{node{id}}}}";
        for text in [plain, inline, spread] {
            assert_eq!(cost(text, json!({})), SCAN_COST + 10 * (2 + 1 + 4 * 3), "{text}");
        }
    }

    #[test]
    fn doubling_fragments_are_costed_without_expansion() {
        let mut text = String::from("{...f0} fragment f60 on Query{users{edges{node{id}}}}");
        for n in 0..60 {
            text.push_str(&format!(" fragment f{n} on Query{{...f{m} ...f{m}}}", m = n + 1));
        }
        assert!(cost(&text, json!({})) > MAX_COST);
    }

    #[test]
    fn one_full_page_with_every_field_is_allowed_and_two_are_not() {
        let routing = "routingRule{id name} routingGroup{id name}";
        let user = "{__typename id email lastName firstName}";
        let rich = format!(
            "closedConversations(first:100){{pageInfo{{startCursor endCursor hasPreviousPage hasNextPage}} edges{{cursor
                node{{id createdAt closedAt closeReason channel project{{id name}} agents{user}
                    routingEvents{{createdAt {routing}}}
                    messages{{__typename id createdAt
                        ... on SystemMessage{{toUser{{id}} attachment{{__typename
                            ... on ConversationPushedSystemAttachment{{channel}}
                            ... on ConversationSnoozedSystemAttachment{{until}}
                            ... on ConversationTransferredSystemAttachment{{toRoutingRule{{id}}}}
                            ... on ConversationClosedSystemAttachment{{reason}}}}}}
                        ... on TextMessage{{author text fromUser{{id}}}}}}
                    contacts{{id start end ending channel user{user} {routing}}}}}}}}}"
        );
        let one = cost(&format!("{{{rich}}}"), json!({}));
        assert!(one <= MAX_COST, "{one}");
        assert!(cost(&format!("{{a:{rich} b:{rich}}}"), json!({})) > MAX_COST);
    }

    #[test]
    fn values_count_once_per_use() {
        let filter = "connectedUsersIndicator(userIds:$v){connectedUsersCount}";
        let list = json!({ "v": vec![1; 499] });
        let of = |text: &str| work(&format!("query($v:[LegacyId!]=[1,2]){text}"), list.clone()).values;
        assert_eq!(of(&format!("{{{filter}}}")), 500);
        assert_eq!(of(&format!("{{a:{filter} b:{filter} ...{{c:{filter}}}}}")), 1_500);
        assert_eq!(of(&format!("{{...f ...f}} fragment f on Query{{a:{filter}}}")), 1_000);
        assert_eq!(of("{__typename @include(if:$v)}"), 500);
        assert_eq!(of("{...f @include(if:$v)} fragment f on Query{__typename}"), 500);
        assert_eq!(of("@a(b:$v) {__typename}"), 500);
        assert_eq!(of("{users(first:10){edges{node{projects(after:$v){pageInfo{hasNextPage}}}}}}"), 5_001);
        assert_eq!(work(&format!("query($v:[LegacyId!]=[1,2]){{{filter}}}"), json!({})).values, 3, "a default");
        assert_eq!(work("{connectedUsersIndicator(userIds:[1,2]){connectedUsersCount}}", json!({})).values, 3);
        let aliases = |count: usize| (0..count).map(|n| format!("a{n}:{filter} ")).collect::<String>();
        assert!(!is_refused(&format!("query($v:[LegacyId!]){{{}}}", aliases(100)), list.clone()));
        assert!(is_refused(&format!("query($v:[LegacyId!]){{{}}}", aliases(101)), list.clone()));
        let unused = format!("query($v:[LegacyId!]){{a}} fragment f on Query{{{}}}", aliases(101));
        assert!(is_refused(&unused, list));
    }

    /// A field of the schema.
    pub struct SchemaField {
        pub owner: String,
        pub name: String,
        /// Its type, as the JSON of an introspection answer.
        pub shape: String,
    }

    /// Returns the fields of all types but connections: the edges of one are multiplied by the size of its page.
    pub async fn schema_fields() -> Vec<SchemaField> {
        let of = "type{kind name ofType{kind name ofType{kind name ofType{kind name}}}}";
        let query = format!("{{__schema{{types{{name fields{{name {of}}}}}}}}}");
        let answer = schema().finish().execute(query).await.data.into_json().unwrap();
        let mut found = Vec::new();
        for of in answer["__schema"]["types"].as_array().unwrap() {
            let owner = of["name"].as_str().unwrap();
            if owner.starts_with("__") || owner.ends_with("Connection") {
                continue;
            }
            for field in of["fields"].as_array().into_iter().flatten() {
                let (name, shape) = (field["name"].as_str().unwrap().to_owned(), field["type"].to_string());
                found.push(SchemaField { owner: owner.to_owned(), name, shape });
            }
        }
        assert!(found.len() > 50, "only {}", found.len());
        found
    }

    /// Fails if a list or a mutation is added to the schema but not to [`cost_class`].
    #[tokio::test]
    async fn every_list_and_every_mutation_has_a_cost_class() {
        for SchemaField { owner, name, shape } in schema_fields().await {
            let is_list = shape.contains("\"LIST\"");
            let expected: &[CostClass] = match () {
                () if owner == "Mutation" => &[CostClass::Mutation],
                () if shape.contains("Connection\"") => &[CostClass::Page, CostClass::Scan],
                () if is_list => &[CostClass::List, CostClass::Few, CostClass::Messages],
                () if owner == "Query" => &[CostClass::One, CostClass::Read],
                () => &[CostClass::One],
            };
            let class = cost_class(&name);
            assert!(expected.contains(&class), "{owner}.{name} is {class:?}, not {expected:?}");
        }
    }
}
