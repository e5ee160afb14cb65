//! Validation of a document by itself, before it is compared with the directory.

use super::{Document, EntityPatch, Kind, MAX_LIST, Problem, UserPatch};
use crate::domain::channel::Channel;
use crate::domain::ids::MAX_ID;
use crate::domain::json::Field;
use crate::domain::profile::{CallConfig, PickUp};
use crate::domain::settings::capacity::SizesPatch;
use crate::domain::text::is_name;

/// Maximum length of a free text of a public profile, in bytes.
const PROFILE_TEXT_MAX: usize = 4_096;
/// Maximum number of simultaneous conversations on one channel.
pub const MAX_SLOTS: u32 = 1_000;

impl Document {
    /// Returns a problem for each invalid value in the document; empty if it is valid.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(settings) = &self.settings {
            let mut report = Report { base: String::from("/settings"), problems: &mut problems };
            report.sizes(&settings.capacity);
        }
        for kind in Kind::ALL {
            for (n, entity) in self.of(kind).iter().enumerate() {
                let mut report = Report { base: format!("/{}/{n}", kind.member()), problems: &mut problems };
                check_entity(kind, entity, &mut report);
            }
        }
        for (n, user) in self.users.iter().enumerate() {
            check_user(user, &mut Report { base: format!("/users/{n}"), problems: &mut problems });
        }
        problems
    }
}

/// Collects the problems of one entity. `base` is the entity's JSON pointer.
struct Report<'a> {
    base: String,
    problems: &'a mut Vec<Problem>,
}

impl Report<'_> {
    fn require(&mut self, holds: bool, member: &str, detail: &str) {
        if !holds {
            self.problems.push(Problem { pointer: format!("{}/{member}", self.base), detail: detail.to_owned() });
        }
    }

    fn text(&mut self, text: Option<&String>, member: &str) {
        self.require(text.is_none_or(|t| is_name(t)), member, "must be 1 to 256 bytes without U+0000");
    }

    fn list<T>(&mut self, list: Option<&Vec<T>>, member: &str) {
        self.require(list.is_none_or(|l| l.len() <= MAX_LIST), member, "must have at most 1000 elements");
    }

    fn sizes(&mut self, sizes: &Field<SizesPatch>) {
        for name in sizes.value().into_iter().flat_map(SizesPatch::out_of_range) {
            self.require(false, &format!("capacity/{name}"), "must be from 1 to 100");
        }
    }

    fn id(&mut self, id: Option<i64>) {
        self.require(id.is_none_or(|id| (1..=MAX_ID).contains(&id)), "id", "must be from 1 to 9007199254740991");
    }
}

fn check_entity(kind: Kind, entity: &EntityPatch, report: &mut Report<'_>) {
    report.id(entity.id);
    report.text(entity.name.as_ref(), "name");
    report.text(entity.description.as_ref(), "description");
    report.list(entity.routing_groups.as_ref(), "routing_groups");
    let is_rule = kind == Kind::RoutingRule;
    let is_definition = kind == Kind::PresenceDefinition;
    report.require(is_rule || entity.routing_groups.is_none(), "routing_groups", "belongs to routing rules only");
    report.require(is_definition || entity.category.is_none(), "category", "belongs to presence definitions only");
    report.require(
        is_definition || entity.description.is_none(),
        "description",
        "belongs to presence definitions only",
    );
    report.require(is_definition || entity.selectable.is_none(), "selectable", "belongs to presence definitions only");
    report.require(is_definition || entity.routable.is_none(), "routable", "belongs to presence definitions only");
    let is_nested = matches!(kind, Kind::Group | Kind::Skill);
    report.require(is_nested || entity.parent.is_absent(), "parent", "belongs to groups and skills only");
    report.require(kind == Kind::Skill || entity.order.is_absent(), "order", "belongs to skills only");
}

fn check_user(user: &UserPatch, report: &mut Report<'_>) {
    report.id(user.id);
    report.text(user.name.as_ref(), "name");
    for (text, member) in [
        (&user.external_id, "external_id"),
        (&user.first_name, "first_name"),
        (&user.pseudo, "pseudo"),
        (&user.sso_key, "sso_key"),
    ] {
        report.text(text.value(), member);
    }
    report.require(user.email.value().is_none_or(|email| is_email(email)), "email", "must be an e-mail address");
    for (once, member) in [
        (user.role.is_none() || user.roles.is_none(), "role"),
        (user.group_id.is_absent() || user.primary_group.is_absent(), "group_id"),
        (user.skill_list.is_none() || user.skills.is_none(), "skill_list"),
        (user.website_list.is_none() || user.projects.is_none(), "website_list"),
    ] {
        report.require(once, member, "is given twice, under both of its names");
    }
    for (list, member) in [
        (&user.groups, "groups"),
        (&user.skills, "skills"),
        (&user.skill_list, "skill_list"),
        (&user.projects, "projects"),
        (&user.website_list, "website_list"),
        (&user.queues, "queues"),
        (&user.campaigns, "campaigns"),
        (&user.routing_groups, "routing_groups"),
    ] {
        report.list(list.as_ref(), member);
    }
    report.list(user.roles.as_ref(), "roles");
    check_channels(user, report);
    report.sizes(&user.capacity);
    report.list(user.language_list.as_ref(), "language_list");
    // Elements beyond the limit are a problem already; checking them too would make the list of problems unbounded.
    for (n, language) in user.language_list.iter().flatten().take(MAX_LIST).enumerate() {
        let is_iso2 = language.len() == 2 && language.bytes().all(|b| b.is_ascii_lowercase());
        report.require(is_iso2, &format!("language_list/{n}"), "must be a two-letter ISO 639-1 code");
    }
    let known = ["de", "en", "es", "fr"];
    let language = user.language_admin.value();
    report.require(language.is_none_or(|l| known.contains(&l.as_str())), "language_admin", "must be de, en, es or fr");
    if let Some(config) = user.call_config.value() {
        check_call_config(config, report);
    }
    let experience = user.experience.value();
    report.require(experience.is_none_or(|e| (0..=MAX_ID).contains(e)), "experience", "must not be negative");
    let satisfaction = user.satisfaction.value();
    report.require(satisfaction.is_none_or(|s| (0.0..=1.0).contains(s)), "satisfaction", "must be a ratio from 0 to 1");
    if let Some(profile) = user.profile.value() {
        for (text, member) in [
            (&profile.status, "profile/status"),
            (&profile.description, "profile/description"),
            (&profile.facebook, "profile/facebook"),
            (&profile.city, "profile/city"),
            (&profile.country, "profile/country"),
        ] {
            let fits = text.as_ref().is_none_or(|t| t.len() <= PROFILE_TEXT_MAX && !t.contains('\0'));
            report.require(fits, member, "must be at most 4096 bytes without U+0000");
        }
    }
}

fn check_channels(user: &UserPatch, report: &mut Report<'_>) {
    for channel in Channel::ALL {
        let nested = user.channels.as_ref().and_then(|c| c.of(channel)).cloned().unwrap_or_default();
        let flat = user.flat(channel);
        let name = channel.name();
        let slots = "must be from 0 to 1000";
        let fits = |max: Option<u32>| max.is_none_or(|m| m <= MAX_SLOTS);
        report.require(fits(nested.max_slots), &format!("channels/{name}/max_slots"), slots);
        report.require(fits(flat.max_slots), "chat_max_number", slots);
        let priority = "must be 0 or 10";
        let known = |p: Option<u8>| p.is_none_or(|p| p == 0 || p == 10);
        report.require(known(nested.priority), &format!("channels/{name}/priority"), priority);
        report.require(known(flat.priority), &format!("{name}_priority"), priority);
        let twice = nested.enabled.is_some() && flat.enabled.is_some()
            || nested.max_slots.is_some() && flat.max_slots.is_some()
            || nested.priority.is_some() && flat.priority.is_some();
        report.require(!twice, &format!("channels/{name}"), "is given twice, here and by a flat member");
    }
}

fn check_call_config(config: &CallConfig, report: &mut Report<'_>) {
    let number = config.phone_number.as_ref();
    report.require(
        number.is_none_or(|n| is_phone(n)),
        "call_config/phone_number",
        "must be international, such as +33123456789",
    );
    let reachable = number.is_some() || config.ask_phone_number_at_every_connection;
    report.require(
        config.pick_up == PickUp::AnswerFromDesk || reachable,
        "call_config",
        "ANSWER_FROM_PHONE needs phone_number or ask_phone_number_at_every_connection",
    );
}

fn is_phone(text: &str) -> bool {
    // E.164 allows at most 15 digits.
    text.strip_prefix('+').is_some_and(|d| (6..=15).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_digit()))
}

fn is_email(text: &str) -> bool {
    // Not all of RFC 5321: one `@` between non-empty parts, no white space, and its limit of 254 bytes.
    let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.split_once('@');
    text.len() <= 254
        && plain
        && parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(json: &str) -> Vec<String> {
        let document: Document = serde_json::from_str(json).unwrap();
        document.check().into_iter().map(|p| p.pointer).collect()
    }

    #[test]
    fn a_valid_user_has_no_problem() {
        let json = r#"{"users":[{"id":101,"name":"Ann","email":"a@b.example","language_list":["fr"],
            "call_config":{"type":"ANSWER_FROM_PHONE","phone_number":"+33123456789"},"chat_max_number":4}]}"#;
        assert_eq!(pointers(json), Vec::<String>::new());
    }

    #[test]
    fn problems_point_to_the_invalid_members() {
        let json = r#"{"groups":[{"id":0}],"users":[{"name":"","email":"x","chat_priority":5,"language_admin":"it",
            "channels":{"chat":{"max_slots":1001}},"call_config":{"type":"ANSWER_FROM_PHONE"},"satisfaction":2}]}"#;
        assert_eq!(
            pointers(json),
            [
                "/groups/0/id",
                "/users/0/name",
                "/users/0/email",
                "/users/0/channels/chat/max_slots",
                "/users/0/chat_priority",
                "/users/0/language_admin",
                "/users/0/call_config",
                "/users/0/satisfaction"
            ]
        );
    }

    #[test]
    fn members_given_under_both_names_are_rejected() {
        assert_eq!(pointers(r#"{"users":[{"role":"admin","roles":["bot"]}]}"#), ["/users/0/role"]);
        let json = r#"{"users":[{"chat_enabled":true,"channels":{"chat":{"enabled":false}}}]}"#;
        assert_eq!(pointers(json), ["/users/0/channels/chat"]);
        assert_eq!(pointers(r#"{"users":[{"skills":[],"skill_list":[]}]}"#), ["/users/0/skill_list"]);
    }
}
