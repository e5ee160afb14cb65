//! How much a request may ask for: what its fields come to, with lists at their length.
//!
//! Weighed here, before anything is executed, since the library's own complexity does not reach fields that are
//! selected on an interface, as most of a user's are.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Value, Variables};

use super::paging::MAX_PAGE;

/// What a request may come to: a full page of conversations with all there is to ask of each, and not two of them.
pub const MAX_COST: usize = 20_000;
/// What a walk over everybody costs beside its page.
pub const WALK: usize = 1_000;
/// What something that may not be in memory costs beside itself.
pub const READ: usize = 500;
/// What a change costs beside its answer: each is made durable before the next one.
pub const CHANGE: usize = 1_000;
/// How long a list without pages is taken to be.
pub const LIST: usize = 10;
/// How long the lists of a conversation are taken to be, which most often had one contact. However long they are, a page
/// of conversations ends before it grows too large.
pub const FEW: usize = 3;
/// The same of its messages.
pub const MESSAGES: usize = 5;

/// What sort of field a name stands for. Names are enough: none means two things in this schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// One thing, or none.
    One,
    /// One thing that the store may have to be asked for.
    Read,
    /// A page of a short list.
    Page,
    /// A page of a list that is looked through for it.
    Walk,
    /// All of a short list.
    List,
    /// All of a list that is shorter yet.
    Few,
    /// All messages of a conversation.
    Messages,
    /// A change.
    Change,
}

const fn sort(field: &str) -> Sort {
    match field.as_bytes() {
        b"projects" => Sort::Page,
        b"users" | b"conversations" | b"closedConversations" => Sort::Walk,
        b"conversation" => Sort::Read,
        b"agents" | b"contacts" | b"routingEvents" => Sort::Few,
        b"messages" => Sort::Messages,
        b"groups" | b"skills" | b"roles" | b"spokenLanguages" | b"userErrors" => Sort::List,
        b"userAvailabilityStatusUpdate" => Sort::Change,
        _ => Sort::One,
    }
}

/// Refuses an operation that asks for too much. Only for a document that was counted, whose fragments therefore do not
/// spread themselves.
pub fn weigh(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<(), &'static str> {
    let mut scales = Scales { document, operation, variables, known: HashMap::new() };
    let cost = scales.set(&operation.selection_set.node);
    if cost > MAX_COST { Err("the operation asks for too much: its cost is more than 20000") } else { Ok(()) }
}

struct Scales<'d> {
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
    variables: &'d Variables,
    /// What a fragment costs wherever it is spread.
    known: HashMap<&'d Name, usize>,
}

impl<'d> Scales<'d> {
    fn set(&mut self, set: &'d SelectionSet) -> usize {
        let costs = set.items.iter().map(|selection| match &selection.node {
            Selection::Field(field) => self.field(&field.node),
            Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node),
            Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
        });
        costs.fold(0, usize::saturating_add)
    }

    fn field(&mut self, field: &'d Field) -> usize {
        let inside = self.set(&field.selection_set.node);
        let (once, times) = match sort(&field.name.node) {
            Sort::One => (1, 1),
            Sort::Read => (READ, 1),
            Sort::Page => (1, self.page(field)),
            Sort::Walk => (WALK, self.page(field)),
            Sort::List => (1, LIST),
            Sort::Few => (1, FEW),
            Sort::Messages => (1, MESSAGES),
            Sort::Change => (CHANGE, 1),
        };
        inside.saturating_mul(times).saturating_add(once)
    }

    fn fragment(&mut self, name: &'d Name) -> usize {
        if let Some(cost) = self.known.get(name) {
            return *cost;
        }
        // An unknown fragment is for the validator to name.
        let Some(fragment) = self.document.fragments.get(name) else { return 0 };
        let cost = self.set(&fragment.node.selection_set.node);
        self.known.insert(name, cost);
        cost
    }

    /// How many items a page may have. What the field will refuse counts as a full page.
    fn page(&self, field: &Field) -> usize {
        let given = ["first", "last"].iter().filter_map(|name| field.get_argument(name));
        let values = given.filter_map(|value| value.node.clone().into_const_with(|name| self.variable(&name)).ok());
        let sizes = values.filter_map(|value| match value {
            Value::Number(size) => size.as_u64(),
            _ => None,
        });
        sizes.max().map_or(MAX_PAGE, |size| usize::try_from(size).unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE))
    }

    /// What a variable stands for; an error where it stands for nothing.
    fn variable(&self, name: &Name) -> Result<Value, ()> {
        let default = || {
            let mut definitions = self.operation.variable_definitions.iter();
            definitions.find(|known| known.node.name.node == *name)?.node.default_value.as_ref()
        };
        let default = || default().map(|value| &value.node);
        self.variables.get(name).or_else(default).cloned().ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::http::graphql::schema;

    fn cost(text: &str, variables: Json) -> usize {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let variables = Variables::from_json(variables);
        let mut scales =
            Scales { document: &document, operation: &operation.node, variables: &variables, known: HashMap::new() };
        scales.set(&operation.node.selection_set.node)
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
            assert_eq!(cost(&text, json!({ "n": 3 })), WALK + 3 * size, "{arguments}");
        }
    }

    #[test]
    fn pages_inside_pages_multiply_wherever_they_are_selected() {
        let plain = "{users(first:10){edges{node{projects(first:4){edges{node{id}}}}}}}";
        let inline = "{users(first:10){edges{node{... on Expert{projects(first:4){edges{node{id}}}}}}}}";
        let spread = "{users(first:10){edges{node{...f}}}} fragment f on User{projects(first:4){edges{node{id}}}}";
        for text in [plain, inline, spread] {
            assert_eq!(cost(text, json!({})), WALK + 10 * (2 + 1 + 4 * 3), "{text}");
        }
    }

    #[test]
    fn doubling_costs_without_being_done() {
        let mut text = String::from("{...f0} fragment f60 on Query{users{edges{node{id}}}}");
        for n in 0..60 {
            text.push_str(&format!(" fragment f{n} on Query{{...f{m} ...f{m}}}", m = n + 1));
        }
        assert!(cost(&text, json!({})) > MAX_COST);
    }

    #[test]
    fn a_full_page_with_all_there_is_to_ask_is_affordable_and_two_are_not() {
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

    /// A field that is added to the schema is weighed as what it is.
    #[tokio::test]
    async fn every_list_and_every_change_is_known() {
        let of = "type{kind name ofType{kind name ofType{kind name ofType{kind name}}}}";
        let query = format!("{{__schema{{types{{name fields{{name {of}}}}}}}}}");
        let answer = schema().finish().execute(query).await.data.into_json().unwrap();
        let mut looked = 0;
        for owner in answer["__schema"]["types"].as_array().unwrap() {
            let name = owner["name"].as_str().unwrap();
            // A page's edges are what its size multiplies.
            if name.starts_with("__") || name.ends_with("Connection") {
                continue;
            }
            for field in owner["fields"].as_array().into_iter().flatten() {
                let told = field["type"].to_string();
                let is_list = told.contains("\"LIST\"");
                let expected: &[Sort] = match () {
                    () if name == "Mutation" => &[Sort::Change],
                    () if told.contains("Connection\"") => &[Sort::Page, Sort::Walk],
                    () if is_list => &[Sort::List, Sort::Few, Sort::Messages],
                    () if name == "Query" => &[Sort::One, Sort::Read],
                    () => &[Sort::One],
                };
                let field = field["name"].as_str().unwrap();
                assert!(expected.contains(&sort(field)), "{name}.{field} is {:?}, not {expected:?}", sort(field));
                looked += 1;
            }
        }
        assert!(looked > 50, "only {looked}");
    }
}
