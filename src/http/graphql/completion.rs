//! The rules for fields that fail and for the order of an answer, which async-graphql does not hold
//! (docs/decisions/0091-completion-of-answers.md). It drops a field that fails from its object, where the specification
//! has null in the nearest field around it that can be null (October 2021, 6.4.4). It writes the fields of the root in the
//! order in which they end, not in that of the selections (6.3.2), and executes two of one name each.
//!
//! An extension of the schema sees every field and every item of a list when it is complete, with its type. One that
//! fails becomes null there, so it stays in its place. If its type excludes null, the field around it is marked, which is
//! complete later and marks the next one in turn, up to one that can be null. Without an error nothing is marked.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo};
use async_graphql::indexmap::{IndexMap, IndexSet};
use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, InlineFragment, OperationType, Selection, SelectionSet,
};
use async_graphql::{
    EmptySubscription, Name, ObjectType, PathSegment, Positioned, QueryPathNode, QueryPathSegment, Request, Response,
    Schema, ServerError, ServerResult, Value, Variables,
};
use parking_lot::Mutex;

use super::cost::answer::{AnswerMeter, path};
use super::guard;

/// Executes a document against a schema that has the extension [`Completion`]. `meter` counts the answer.
///
/// Only for a document that passed [`super::guard::count`]: a fragment that spreads itself would recurse forever.
pub async fn execute<Q: ObjectType + 'static, M: ObjectType + 'static>(
    schema: &Schema<Q, M, EmptySubscription>,
    mut request: Request,
    mut document: ExecutableDocument,
    meter: Option<Arc<AnswerMeter>>,
) -> Response {
    let operation = guard::operation(&document, request.operation_name.as_deref());
    let mut order = IndexSet::new();
    if let Ok(operation) = operation {
        let of = if operation.node.ty == OperationType::Mutation { M::type_name() } else { Q::type_name() };
        let mut collector =
            Collector { document: &document, variables: &request.variables, of: &of, root: Root::new() };
        let set = &operation.node.selection_set.node;
        // One field is in order by itself, as most requests have it.
        if !matches!(set.items.as_slice(), [only] if matches!(only.node, Selection::Field(_))) {
            collector.collect(set);
        }
        let root = collector.root;
        order = root.keys().map(|name| (*name).clone()).collect();
        if root.values().any(|fields| fields.len() > 1) {
            let merged = merged(&root, &operation.node.selection_set);
            replace_root(&mut document, request.operation_name.as_deref(), merged);
        }
    }
    request.set_parsed_query(document);
    let execution = Arc::new(Execution::new(meter));
    let mut response = schema.execute(request.data(execution.clone())).await;
    execution.finish(&mut response);
    arrange(&mut response.data, &order);
    response
}

/// One execution of an operation: what its fields have in common. A part of the request's data.
struct Execution {
    meter: Option<Arc<AnswerMeter>>,
    /// True once a field has failed. Fields that are complete before that have nothing to look up.
    has_failed: AtomicBool,
    failures: Mutex<Failures>,
}

/// Places are kept as the names and numbers of their path, with dots between them.
#[derive(Default)]
struct Failures {
    errors: Vec<ServerError>,
    /// Places of the errors: each has one.
    failed: HashSet<String>,
    /// Fields whose value must not be used, since something in it failed that cannot be null.
    marked: HashSet<String>,
    /// Such items of lists, by the field: their numbers, in a list of lists one for each. Only the field's type says
    /// whether an item can be null; the library gives items the wrong one.
    items: HashMap<String, HashSet<Vec<usize>>>,
    /// True if `data` must not be used.
    is_all: bool,
    /// Paths to the nulls of the answer that are there because of an error.
    nulls: Vec<Vec<PathSegment>>,
}

impl Execution {
    fn new(meter: Option<Arc<AnswerMeter>>) -> Self {
        Execution { meter, has_failed: AtomicBool::new(false), failures: Mutex::default() }
    }

    /// Puts the null of each error in its place, and adds the errors to the response.
    fn finish(&self, response: &mut Response) {
        if !self.has_failed.load(Ordering::Acquire) {
            return;
        }
        let failures = std::mem::take(&mut *self.failures.lock());
        if failures.is_all {
            response.data = Value::Null;
        }
        for path in failures.nulls {
            // Below the root two fields of one name are executed each: the value of the other may be there.
            if let Some(value) = value_at(&mut response.data, &path) {
                *value = Value::Null;
            }
        }
        response.errors.extend(failures.errors);
    }

    fn fail(&self, place: Place<'_>, error: ServerError) {
        let mut error = described(error, place.field);
        if error.path.is_empty() {
            error.path = path(place.node);
        }
        let mut failures = self.failures.lock();
        if failures.failed.insert(place.node.to_string()) {
            failures.errors.push(error);
        }
        match place.node.segment {
            QueryPathSegment::Name(_) => failures.spread(place),
            QueryPathSegment::Index(_) => failures.mark(place.node),
        }
        self.has_failed.store(true, Ordering::Release);
    }

    /// Passes the failure of something in the value of a field on, if there is one.
    fn pass_on(&self, place: Place<'_>) {
        if !self.has_failed.load(Ordering::Acquire) || matches!(place.node.segment, QueryPathSegment::Index(_)) {
            return;
        }
        let (key, mut failures) = (place.node.to_string(), self.failures.lock());
        if failures.marked.contains(&key) {
            return failures.spread(place);
        }
        for item in failures.items.get(&key).cloned().unwrap_or_default() {
            failures.spread_item(place, &item);
        }
    }
}

impl Failures {
    /// Makes the value of a field null, or marks what is around it if the type excludes null.
    fn spread(&mut self, place: Place<'_>) {
        match (place.of.ends_with('!'), place.node.parent) {
            (false, _) => self.nulls.push(path(place.node)),
            (true, Some(parent)) => self.mark(parent),
            (true, None) => self.is_all = true,
        }
    }

    /// Makes an item of a field's list null, or else the innermost list around it that can be, or else spreads further.
    fn spread_item(&mut self, place: Place<'_>, item: &[usize]) {
        let types: Vec<&str> =
            std::iter::successors(Some(place.of), |of| of.trim_end_matches('!').strip_prefix('[')?.strip_suffix(']'))
                .collect();
        match (1..=item.len()).rev().find(|depth| types.get(*depth).is_some_and(|of| !of.ends_with('!'))) {
            Some(depth) => {
                let indices = item[..depth].iter().map(|index| PathSegment::Index(*index));
                self.nulls.push(path(place.node).into_iter().chain(indices).collect());
            }
            None => self.spread(place),
        }
    }

    /// Marks the value of a field, or an item of a list in it, for the field when it is complete.
    fn mark(&mut self, node: &QueryPathNode<'_>) {
        let (mut item, mut field) = (Vec::new(), node);
        while let (QueryPathSegment::Index(index), Some(parent)) = (&field.segment, field.parent) {
            item.push(*index);
            field = parent;
        }
        let key = field.to_string();
        if item.is_empty() {
            self.marked.insert(key);
        } else {
            item.reverse();
            self.items.entry(key).or_default().insert(item);
        }
    }
}

/// A field, or an item of a list that is its value.
#[derive(Clone, Copy)]
struct Place<'p> {
    node: &'p QueryPathNode<'p>,
    /// The type of a field, as in SDL.
    of: &'p str,
    field: &'p Field,
}

/// The extension that completes the answers of requests with an [`Execution`] among their data, and counts them.
pub struct Completion;

impl ExtensionFactory for Completion {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Completion)
    }
}

#[async_trait]
impl Extension for Completion {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let Some(execution) = ctx.data_opt::<Arc<Execution>>() else { return next.run(ctx, info).await };
        let meter = execution.meter.as_deref();
        if meter.is_some_and(AnswerMeter::has_ended) {
            // Neither a value nor one more error: the answer is that of the first.
            return Ok(Some(Value::Null));
        }
        let place = Place { node: info.path_node, of: info.return_type, field: info.field };
        let produced = in_order(place.node, next.run(ctx, info)).await;
        if meter.is_some_and(|meter| !meter.has_counted(place.node, place.field.name.pos, &produced)) {
            return Ok(Some(Value::Null));
        }
        match produced {
            Ok(value) => {
                execution.pass_on(place);
                Ok(value)
            }
            Err(error) => {
                execution.fail(place, error);
                Ok(Some(Value::Null))
            }
        }
    }
}

/// Awaits a field. One below the root must not wait: fields that wait end late, and only the root's are put in order.
async fn in_order<T>(node: &QueryPathNode<'_>, field: impl Future<Output = T>) -> T {
    let mut field = pin!(field);
    poll_fn(|context| {
        let polled = field.as_mut().poll(context);
        debug_assert!(polled.is_ready() || node.parent.is_none(), "{node} waits, and would end after its siblings");
        polled
    })
    .await
}

/// Adds what async-graphql leaves out of its own errors: the name of an argument whose value cannot be used, and the
/// place of the field where it names none in the text.
fn described(mut error: ServerError, field: &Field) -> ServerError {
    if error.extensions.is_none() {
        let given = field.arguments.iter().find(|(_, value)| error.locations.contains(&value.pos));
        if let Some((name, _)) = given {
            error.message = format!("invalid value for argument {}: {}", name.node, error.message);
        }
    }
    error.locations.retain(|at| at.line > 0);
    if error.locations.is_empty() {
        error.locations.push(field.alias.as_ref().map_or(field.name.pos, |alias| alias.pos));
    }
    error
}

fn value_at<'v>(data: &'v mut Value, path: &[PathSegment]) -> Option<&'v mut Value> {
    path.iter().try_fold(data, |value, segment| match (value, segment) {
        (Value::Object(members), PathSegment::Field(name)) => members.get_mut(name.as_str()),
        (Value::List(items), PathSegment::Index(index)) => items.get_mut(*index),
        _ => None,
    })
}

/// The fields of the root by response name, in the order of the selections, without those that `@skip` and `@include`
/// exclude.
type Root<'d> = IndexMap<&'d Name, Vec<&'d Positioned<Field>>>;

struct Collector<'d> {
    document: &'d ExecutableDocument,
    variables: &'d Variables,
    /// Name of the root's type. It implements no interface, so a fragment on another type has no part in it.
    of: &'d str,
    root: Root<'d>,
}

impl<'d> Collector<'d> {
    fn collect(&mut self, set: &'d SelectionSet) {
        for selection in &set.items {
            if is_excluded(selection.node.directives(), self.variables) {
                continue;
            }
            let (on, inside) = match &selection.node {
                Selection::Field(field) => {
                    self.root.entry(&field.node.response_key().node).or_default().push(field);
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    (fragment.node.type_condition.as_ref(), &fragment.node.selection_set.node)
                }
                Selection::FragmentSpread(spread) => {
                    match self.document.fragments.get(&spread.node.fragment_name.node) {
                        Some(fragment) => (Some(&fragment.node.type_condition), &fragment.node.selection_set.node),
                        // The validator reports unknown fragments.
                        None => continue,
                    }
                }
            };
            if on.is_none_or(|on| on.node.on.node == self.of) {
                self.collect(inside);
            }
        }
    }
}

/// Returns a set with each field of the root once, as the specification executes it (6.4.3): async-graphql executes two of
/// one name each, a mutation twice, and merges their values in the order in which they end. What was written follows,
/// excluded, for the validator, to which a fragment or a variable would be unused without it.
fn merged(root: &Root<'_>, written: &Positioned<SelectionSet>) -> Positioned<SelectionSet> {
    let pos = written.pos;
    let at = |node| Positioned::new(node, pos);
    let once = |fields: &Vec<&Positioned<Field>>| {
        let mut once = fields[0].clone();
        for further in &fields[1..] {
            once.node.selection_set.node.items.extend_from_slice(&further.node.selection_set.node.items);
        }
        Positioned::new(Selection::Field(once), fields[0].pos)
    };
    let condition = (at(Name::new("if")), Positioned::new(async_graphql_value::Value::Boolean(true), pos));
    let excluded = InlineFragment {
        type_condition: None,
        directives: vec![Positioned::new(Directive { name: at(Name::new("skip")), arguments: vec![condition] }, pos)],
        selection_set: written.clone(),
    };
    let mut items: Vec<_> = root.values().map(once).collect();
    items.push(Positioned::new(Selection::InlineFragment(Positioned::new(excluded, pos)), pos));
    Positioned::new(SelectionSet { items }, pos)
}

fn replace_root(document: &mut ExecutableDocument, name: Option<&str>, set: Positioned<SelectionSet>) {
    let operation = match (&mut document.operations, name) {
        (DocumentOperations::Single(only), _) => Some(only),
        (DocumentOperations::Multiple(all), Some(name)) => all.get_mut(name),
        (DocumentOperations::Multiple(all), None) => all.values_mut().next(),
    };
    if let Some(operation) = operation {
        operation.node.selection_set = set;
    }
}

/// Returns true if a `@skip` or `@include` excludes a selection.
fn is_excluded(directives: &[Positioned<Directive>], variables: &Variables) -> bool {
    directives.iter().any(|directive| {
        let is_kept_if = match directive.node.name.node.as_str() {
            "skip" => false,
            "include" => true,
            _ => return false,
        };
        let condition = directive.node.get_argument("if").map(|value| value.node.clone());
        let condition =
            condition.and_then(|value| value.into_const_with(|name| variables.get(&name).cloned().ok_or(())).ok());
        condition != Some(Value::Boolean(is_kept_if))
    })
}

/// Puts the members of an object in an order.
fn arrange(data: &mut Value, order: &IndexSet<Name>) {
    let Value::Object(members) = data else { return };
    if order.is_empty() || members.keys().eq(order.iter()) {
        return;
    }
    let places: HashMap<&Name, usize> = order.iter().enumerate().map(|(place, name)| (name, place)).collect();
    members.sort_by_key(|name, _| places.get(name).copied().unwrap_or(usize::MAX));
}
