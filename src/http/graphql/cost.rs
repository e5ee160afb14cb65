//! The cost of an operation: its fields, multiplied by the assumed lengths of lists, and the argument values it uses.
//! It is the same for every tenant, so that clients can rely on it. What the operation can touch in a tenant's state is
//! in [`reach`], and what its answer takes while it is built in [`answer`].
//!
//! Computed here, before execution, because the complexity limit of async-graphql does not reach fields that are
//! selected on an interface, as most fields of a user are.

pub mod answer;
pub mod arguments;
pub mod owner;
pub mod reach;

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Variables};

use super::values::{MAX_USED, Sizes};
use arguments::Arguments;
use owner::Owner;

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
/// Assumed length of a page of a conversation's messages, if a larger one is requested.
pub const MESSAGES: usize = 4;

/// Assumed length of a breakdown's rows: most keys have fewer values. Longer ones are bounded by the size of the answer.
pub const ROWS: usize = 100;
/// Assumed number of values of one row, which is that of the keys.
pub const KEYS: usize = 3;

/// The cost class of a field.
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
    /// An unpaged list of a conversation, or a short one of a wallboard.
    Few,
    /// A page of a conversation's messages.
    Messages,
    /// A count of all users by several keys.
    Breakdown,
    /// The rows of a breakdown.
    Rows,
    /// The values of one row of a breakdown.
    Keys,
    /// A mutation.
    Mutation,
}

/// Returns the cost class of a field. Its name is enough to find it, except for one with two meanings in this schema.
const fn cost_class(owner: Owner, field: &str) -> CostClass {
    match (owner, field.as_bytes()) {
        (_, b"projects" | b"routingGroups" | b"routingRules") => CostClass::Page,
        (Owner::Conversation, b"users") | (_, b"agents" | b"contacts" | b"routingEvents") => CostClass::Few,
        (_, b"users" | b"conversations" | b"closedConversations") => CostClass::Scan,
        (_, b"conversation") => CostClass::Read,
        (_, b"messages") => CostClass::Messages,
        (_, b"breakdown") => CostClass::Breakdown,
        (Owner::Breakdown, b"rows") => CostClass::Rows,
        (Owner::Breakdown, b"values") => CostClass::Keys,
        (Owner::Board, b"pages" | b"breaches" | b"cells" | b"series") | (Owner::BoardRows, b"columns") => {
            CostClass::Few
        }
        (Owner::Board, b"tiles") | (Owner::BoardRows, b"rows") | (Owner::BoardPeople, b"people") => CostClass::List,
        (
            _,
            b"groups" | b"skills" | b"roles" | b"spokenLanguages" | b"languages" | b"userErrors" | b"userIds"
            | b"unknownIds",
        ) => CostClass::List,
        (_, b"userAvailabilityStatusUpdate") => CostClass::Mutation,
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
    let is_known = |name: &&Name| weigher.known.keys().any(|(known, _)| known == name);
    let unused: Vec<&Name> = document.fragments.keys().filter(|name| !is_known(name)).collect();
    let values = |name| weigher.fragment(name, Owner::Other).values;
    let used = unused.into_iter().map(values).fold(work.values, usize::saturating_add);
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
    let work = weigher.set(&operation.selection_set.node, Owner::Root).and(weigher.directives(&operation.directives));
    (weigher, work)
}

struct CostWeigher<'d> {
    document: &'d ExecutableDocument,
    arguments: Arguments<'d>,
    sizes: Sizes<'d>,
    /// Work of each fragment visited so far, by what it is spread on.
    known: HashMap<(&'d Name, Owner), Work>,
}

impl<'d> CostWeigher<'d> {
    fn set(&mut self, set: &'d SelectionSet, owner: Owner) -> Work {
        set.items.iter().fold(Work::default(), |sum, selection| {
            let inside = match &selection.node {
                Selection::Field(field) => self.field(&field.node, owner),
                Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node, owner),
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, owner),
            };
            sum.and(inside).and(self.directives(selection.node.directives()))
        })
    }

    fn field(&mut self, field: &'d Field, owner: Owner) -> Work {
        let inside = self.set(&field.selection_set.node, owner.within(&field.name.node));
        let class = cost_class(owner, &field.name.node);
        // The availability of a rule for one language looks at every available user.
        let is_scan = matches!(class, CostClass::Scan | CostClass::Breakdown) || owner::is_by_language(field);
        let (once, times) = match class {
            CostClass::One if is_scan => (SCAN_COST, 1),
            CostClass::One => (1, 1),
            CostClass::Read => (READ_COST, 1),
            CostClass::Page => (1, self.arguments.page(field)),
            CostClass::Scan => (SCAN_COST, self.arguments.page(field)),
            CostClass::List => (1, LIST_LENGTH),
            CostClass::Few => (1, FEW_ENTRIES),
            CostClass::Messages => (1, self.arguments.page(field).min(MESSAGES)),
            CostClass::Breakdown => (SCAN_COST, 1),
            CostClass::Rows => (1, ROWS),
            CostClass::Keys => (1, KEYS),
            CostClass::Mutation => (MUTATION_COST, 1),
        };
        let values = field.arguments.iter().map(|(_, value)| self.sizes.argument(&value.node));
        let values = values.fold(0, usize::saturating_add);
        inside.times(times).and(Work { fields: once, scans: usize::from(is_scan), values })
    }

    fn fragment(&mut self, name: &'d Name, owner: Owner) -> Work {
        if let Some(cost) = self.known.get(&(name, owner)) {
            return *cost;
        }
        // The validator reports unknown fragments.
        let Some(fragment) = self.document.fragments.get(name) else { return Work::default() };
        let cost = self.set(&fragment.node.selection_set.node, owner).and(self.directives(&fragment.node.directives));
        self.known.insert((name, owner), cost);
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
                node{{id createdAt closedAt duration closeReason channel project{{id name}} users{user}
                    routingEvents{{createdAt {routing}}}
                    messages{{edges{{node{{__typename id createdAt
                        ... on SystemMessage{{toUser{{id}} attachment{{__typename
                            ... on ConversationPushedSystemAttachment{{channel}}
                            ... on ConversationSnoozedSystemAttachment{{until}}
                            ... on ConversationTransferredSystemAttachment{{toRoutingRule{{id}}}}
                            ... on ConversationClosedSystemAttachment{{reason}}}}}}
                        ... on TextMessage{{author text fromUser{{id}}}}}}}}}}
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

    /// Returns what a selection on an object type is on.
    pub fn owner_of(of: &str) -> Owner {
        match of {
            "Query" | "Mutation" | "Subscription" => Owner::Root,
            "Conversation" => Owner::Conversation,
            "RoutingRule" => Owner::Rule,
            "Moment" => Owner::Root,
            "Breakdown" | "BreakdownRow" => Owner::Breakdown,
            "BoardRows" => Owner::BoardRows,
            "BoardPeople" => Owner::BoardPeople,
            _ if of.starts_with("Board") => Owner::Board,
            _ => Owner::Other,
        }
    }

    #[test]
    fn users_of_a_conversation_are_few_and_others_are_scanned() {
        let few = cost("{conversation(id:1){users{id}}}", json!({}));
        assert_eq!(few, READ_COST + 1 + FEW_ENTRIES);
        assert_eq!(cost("{conversation(id:1){...{...f}}} fragment f on Conversation{users{id}}", json!({})), few);
        let group = "routingGroup(id:1){users(first:2){edges{node{id}}}}";
        let scanned = SCAN_COST + 1 + 2 * 3;
        assert_eq!(cost(&format!("{{{group}}}"), json!({})), scanned);
        let of_contact = cost(&format!("{{conversation(id:1){{contacts{{{group}}}}}}}"), json!({}));
        assert_eq!(of_contact, READ_COST + 1 + FEW_ENTRIES * scanned);
        let shared = "{conversation(id:1){...f} ...f} fragment f on X{users(first:2){edges{node{id}}}}";
        assert_eq!(
            cost(shared, json!({})),
            READ_COST + 1 + 3 * FEW_ENTRIES + SCAN_COST + 3 * 2,
            "by what it is spread on"
        );
    }

    #[test]
    fn availability_for_a_language_is_a_scan() {
        let rule = |arguments: &str| format!("query($l:Language){{routingRule(id:1){{availability{arguments}{{a}}}}}}");
        let found = ["", "(lang:null)", "(lang:\"fr\")", "(lang:$l)"].map(|of| work(&rule(of), json!({})));
        assert_eq!(found.map(|work| (work.fields, work.scans)), [(3, 0), (3, 0), (1_002, 1), (1_002, 1)]);
    }

    #[test]
    fn a_breakdown_costs_a_scan_and_its_usual_rows() {
        let rows = "breakdown{total{people} rows{values{id name} cell{people reasons{full}}} unknownIds}";
        let inside = 1 + 1 + (1 + ROWS * (1 + KEYS * 2 + 1 + 1 + 1 + 1)) + 1;
        let cost = |text: &str| (work(text, json!({})).fields, work(text, json!({})).scans);
        assert_eq!(cost(&format!("{{{rows}}}")), (SCAN_COST + inside, 1));
        assert_eq!(cost(&format!("{{now{{position {rows}}}}}")), (1 + 1 + SCAN_COST + inside, 1));
        assert_eq!(cost("{now{users(first:2){edges{node{id}}}}}"), (1 + SCAN_COST + 2 * 3, 1));
        let full = "{breakdown{total{people connected reasons{available reserved full blocked switchedOff notRoutable
            away extendedAway disabled offline} heldSlots reservedSlots maxSlots freeSlots occupancyRate}}}";
        let walls = cost(full).0;
        assert!(walls * 15 <= MAX_COST, "fifteen totals of one page cost {}", walls * 15);
    }

    #[test]
    fn one_whole_wallboard_is_allowed_and_four_are_not() {
        let column = "column{metric label unit}";
        let tile = format!(
            "type title width severity problem unknownIds unknownUsers number{{{column} cell{{value severity}} of{{{column} value}}}}
             rows{{columns{{metric label unit}} rows{{key label severity cells{{value severity}}}} rowCount}}
             people{{people{{label reason since}} peopleCount}} chart{{hours series{{{column} value}}}}"
        );
        let board = format!(
            "board{{name title theme rotationSeconds position time stalenessMs serverVersion severity breachCount
             breaches{{key page tile severity text}} pages{{title severity tiles{{{tile}}}}}}}"
        );
        let one = cost(&format!("subscription{{{board}}}"), json!({}));
        assert!(one <= MAX_COST && 4 * one > MAX_COST, "{one}");
    }

    #[test]
    fn messages_cost_at_most_their_usual_number() {
        let of = |page: &str| cost(&format!("{{conversation(id:1){{messages{page}{{edges{{cursor}}}}}}}}"), json!({}));
        assert_eq!(["", "(first:100)", "(last:2)"].map(of), [4, 4, 2].map(|items| READ_COST + 1 + items * 2));
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
                () if name == "messages" => &[CostClass::Messages],
                () if name == "breakdown" => &[CostClass::Breakdown],
                () if name == "rows" && owner == "Breakdown" => &[CostClass::Rows],
                () if name == "values" => &[CostClass::Keys],
                () if shape.contains("Connection\"") => &[CostClass::Page, CostClass::Scan],
                () if is_list => &[CostClass::List, CostClass::Few],
                () if owner == "Query" => &[CostClass::One, CostClass::Read],
                () => &[CostClass::One],
            };
            let class = cost_class(owner_of(&owner), &name);
            assert!(expected.contains(&class), "{owner}.{name} is {class:?}, not {expected:?}");
        }
    }
}
