//! The live view, used as by a request: the filter's values are looked up for each count.

use std::sync::Arc;

use rollcall::domain::filter::{Clause, Dimension, Value};
use rollcall::domain::{EntityRef, Filter};
use rollcall::live::View;

use super::{Counts, Everything, Rival, Wanted, counts, everything};

impl Rival for Arc<View> {
    type Question = Filter;

    fn question(wanted: Option<&Wanted>) -> Filter {
        let Some(wanted) = wanted else { return Filter::default() };
        let values = |ids: &[u32]| ids.iter().map(|id| Value::Entity(EntityRef::Id(i64::from(*id)))).collect();
        Filter::default()
            .and(Clause::Any(Dimension::Group, values(&wanted.groups)))
            .and(Clause::Any(Dimension::Skill, values(&wanted.skills)))
            .and(Clause::Any(Dimension::Project, values(&wanted.projects)))
    }

    fn counts(&self, question: &Filter) -> Counts {
        self.count(question, counts())
    }

    fn everything(&self, question: &Filter) -> Everything {
        self.count(question, everything())
    }
}
