//! Queries in each dialect, and the comparison of their answers with the reference.

use reqwest::{Method, RequestBuilder};
use rollcall::domain::channel::ReferenceChannel;
use rollcall::domain::directory::Kind;
use rollcall::domain::filter::{Clause, Dimension, TextField, Value as Named};
use rollcall::domain::status::Liveness;
use rollcall::domain::{Channel, EntityRef, Filter, Status};
use serde_json::{Value, json};

use super::questions::{Pick, any_of, named};
use crate::model::generate::guid_of;
use crate::model::reference::{Answers, Individual};
use crate::support::Api;
use crate::support::api::{Answer, send};

const GRAPHQL: &str = "query($users:[LegacyId!],$groups:[LegacyId!],$projects:[LegacyId!],$routingGroups:[UUID!],
    $roles:[UserRole!],$overall:[AvailabilityStatus!],$chat:[AvailabilityStatus!]){
  connectedUsersIndicator(userIds:$users,groupIds:$groups,projectIds:$projects,routingGroupIds:$routingGroups,
      roles:$roles,availabilityStatus:$overall,chatAvailability:$chat){
    connectedUsersCount
    countByChatAvailabilityStatus{available busy toggleOff}
    usersInProductionChatOccupancy{
      maximumSimultaneousConversationAverage simultaneousConversationAverage occupancyRate
    }
  }
}";

/// The caller of all queries, and the position that every answer must have.
pub struct Queries<'a> {
    pub api: &'a Api,
    pub key: &'a str,
    pub position: u64,
}

impl Queries<'_> {
    pub async fn ask(&self, request: RequestBuilder) -> Value {
        let answer: Answer = send(request).await.expect("an answer").ok();
        assert_eq!(answer.position(), self.position, "no event is journalled meanwhile");
        answer.json()
    }

    pub async fn graphql(&self, pick: &Pick, expected: impl Fn(&Filter) -> Answers) {
        let filter = Filter::default()
            .and(pick.of_users())
            .and(any_of(Dimension::Group, &pick.groups))
            .and(any_of(Dimension::Project, &pick.projects))
            .and(Clause::Any(Dimension::RoutingGroup, guids("routing_group", &pick.routing_groups)))
            .and(Clause::Roles(pick.roles.clone()))
            .and(Clause::Overall(pick.overall.clone()))
            .and(Clause::Chat(pick.chat.clone()));
        let answers = expected(&filter);
        let [people, current, max] = answers.occupancy[0].map(|number| number as f64);
        let occupancy = if people == 0.0 {
            Value::Null
        } else {
            let rate = if max == 0.0 { 0.0 } else { 100.0 * current / max };
            json!({ "maximumSimultaneousConversationAverage": max / people,
                    "simultaneousConversationAverage": current / people, "occupancyRate": rate })
        };
        let [available, busy, toggle_off] = answers.chat;
        let expected = json!({
            "connectedUsersCount": answers.connected,
            "countByChatAvailabilityStatus": { "available": available, "busy": busy, "toggleOff": toggle_off },
            "usersInProductionChatOccupancy": occupancy,
        });
        let body = self.indicator(pick).await;
        assert!(is_close(&body, &expected), "{filter:?}\n{body}\n{expected}");
    }

    async fn indicator(&self, pick: &Pick) -> Value {
        let upper = |words: Vec<String>| words.into_iter().map(|word| word.to_uppercase()).collect::<Vec<_>>();
        let word = |value: Value| value.as_str().expect("a word").to_owned();
        let roles = pick.roles.iter().map(|role| word(serde_json::to_value(role).expect("a word")));
        let variables = json!({
            "users": pick.users,
            "groups": pick.groups,
            "projects": pick.projects,
            "routingGroups": pick.routing_groups.iter().map(|id| guid_of("routing_group", *id)).collect::<Vec<_>>(),
            "roles": upper(roles.collect()),
            "overall": pick.overall.iter().copied().map(status_word).collect::<Vec<_>>(),
            "chat": pick.chat.iter().copied().map(status_word).collect::<Vec<_>>(),
        });
        let request = self.api.request(Method::POST, "/graphql").bearer_auth(self.key);
        let body = self.ask(request.json(&json!({ "query": GRAPHQL, "variables": variables }))).await;
        assert!(body.get("errors").is_none(), "{body}");
        body["data"]["connectedUsersIndicator"].clone()
    }

    pub async fn convoso(&self, pick: &Pick, expected: impl Fn(&Filter) -> Answers) {
        let filter = Filter::default()
            .and(any_of(Dimension::Campaign, &pick.campaigns))
            .and(any_of(Dimension::Queue, &pick.queues))
            .and(pick.of_users())
            .and(Clause::Any(Dimension::Skill, named(&pick.skill_names)));
        let answers = expected(&filter);
        let body = self.activity(pick).await;
        let data = json!({ "available_agents": answers.callable, "logged_in_agents": answers.logged_in });
        assert_eq!(body, json!({ "success": true, "data": data }), "{filter:?}");
    }

    async fn activity(&self, pick: &Pick) -> Value {
        let request = self.api.request(Method::POST, "/v1/user-activity/search").json(&json!({
            "auth_token": self.key,
            "campaign_id": csv(&pick.campaigns),
            "queue_id": csv(&pick.queues),
            "user_id": csv(&pick.users),
            "filter_by_skill_options": pick.skill_names.join(" , "),
        }));
        self.ask(request).await
    }

    pub async fn vonage(&self, pick: &Pick, expected: impl Fn(&Filter) -> Answers) {
        let (homes, dimension, kind) = if pick.by_queue {
            (&pick.queues, Dimension::Queue, Kind::Queue)
        } else {
            (&pick.groups, Dimension::Group, Kind::Group)
        };
        let filter = Filter::default()
            .and(Clause::All(Dimension::Skill, guids("skill", &pick.skills)))
            .and(Clause::Any(dimension, guids(kind.name(), homes)));
        let answers = expected(&filter);
        let body = self.availability(pick).await;
        let [ready, away, extended_away, logged_out] = answers.presence;
        let [available, incompatible, insufficient] = answers.capacity[pick.liveness];
        let expected_body = json!({
            "presenceSummary": { "Ready": ready, "Away": away, "ExtendedAway": extended_away, "LoggedOut": logged_out },
            "availabilitySummary": { "available": available, "incompatiblePresence": incompatible,
                                     "insufficientCapacity": insufficient },
        });
        assert_eq!(body, expected_body, "{filter:?}, {:?}", Liveness::ALL[pick.liveness]);
        if !pick.skill_names.is_empty() {
            let filter = Filter::default().and(Clause::All(Dimension::Skill, named(&pick.skill_names)));
            let [ready, away, extended_away, logged_out] = expected(&filter).presence;
            let names = pick.skill_names.join(",").replace('é', "%C3%A9");
            let body =
                self.ask(self.vonage_request(Method::GET, &format!("/agents-availability?skillNames={names}"))).await;
            let expected =
                json!({ "Ready": ready, "Away": away, "Extended Away": extended_away, "Logged Out": logged_out });
            assert_eq!(body, expected, "{filter:?}");
        }
    }

    fn vonage_request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.api.request(method, path).bearer_auth(self.key);
        request.header("Accept", "application/vnd.newvoicemedia.v1+json")
    }

    async fn availability(&self, pick: &Pick) -> Value {
        let of = |kind, ids: &[i64]| ids.iter().map(|id| guid_of(kind, *id)).collect::<Vec<_>>();
        let (member, homes) = if pick.by_queue {
            ("queueGuids", of("queue", &pick.queues))
        } else {
            ("groupGuids", of("group", &pick.groups))
        };
        let liveness = ["live", "semilive", "nonlive"][pick.liveness];
        let body = json!({ "skillGuids": of("skill", &pick.skills), member: homes, "liveness": liveness });
        self.ask(self.vonage_request(Method::POST, "/agents-availability").json(&body)).await
    }

    pub async fn iadvize(&self, pick: &Pick, expected: impl Fn(&Filter) -> Answers, everyone: &[Individual<'_>]) {
        let mut filter = Filter::default()
            .and(pick.of_users())
            .and(any_of(Dimension::Group, &pick.groups))
            .and(any_of(Dimension::Project, &pick.projects))
            .and(any_of(Dimension::Skill, &pick.skills));
        if let Some(name) = pick.name {
            filter = filter.and(Clause::Text(TextField::Name, vec![name.to_owned()]));
        }
        let answers = expected(&filter);
        let ids = if pick.offline { answers.offline_seen_before } else { answers.online };
        let rows: Vec<Value> = everyone.iter().filter(|one| ids.contains(&one.account.id)).map(row).collect();
        let body = self.roster(pick).await;
        assert_eq!(body, json!({ "meta": { "status": "success" }, "data": rows }), "{filter:?}, {}", pick.offline);
    }

    async fn roster(&self, pick: &Pick) -> Value {
        let mut path = format!(
            "/operator/live?filters[id]={}&filters[group_id]={}&filters[website_id]={}&filters[skill_id]={}",
            csv(&pick.users),
            csv(&pick.groups),
            csv(&pick.projects),
            csv(&pick.skills)
        );
        if let Some(name) = pick.name {
            path = format!("{path}&filters[name]={name}");
        }
        if pick.offline {
            path = format!("{path}&connected=0");
        }
        self.ask(self.api.request(Method::GET, &path).header("X-API-Key", self.key)).await
    }

    /// Checks the relations between the dialects' answers, without the reference:
    /// docs/reference/native.md, "Agreement of the dialects".
    pub async fn relations(&self, some: &Pick, reference: ReferenceChannel) {
        let everyone = Pick::default();
        for pick in [&everyone, some] {
            let (indicator, roster) = (self.indicator(pick).await, self.roster(pick).await);
            let rows = roster["data"].as_array().expect("rows");
            assert_eq!(number(&indicator, "/connectedUsersCount"), rows.len() as u64, "connected users");
            let by_status = |name: &str| number(&indicator, &format!("/countByChatAvailabilityStatus/{name}"));
            assert_eq!(by_status("available"), with(rows, &["chat"], "available"), "users who can chat");
            let sum = by_status("available") + by_status("busy") + by_status("toggleOff");
            assert!(sum <= rows.len() as u64, "{indicator}");
            let activity = self.activity(pick).await;
            let most = match reference {
                // The rows do not have third-party channels.
                ReferenceChannel::Any => rows.len() as u64,
                one => with(rows, &[one.name()], "available"),
            };
            assert!(number(&activity, "/data/available_agents") <= most, "{activity}, {reference:?}");
            assert!(number(&activity, "/data/logged_in_agents") <= rows.len() as u64);
        }
        let rows = self.roster(&everyone).await;
        let rows = rows["data"].as_array().expect("rows");
        let logged_in = number(&self.activity(&everyone).await, "/data/logged_in_agents");
        for (liveness, channels) in [(0, &["call", "video"][..]), (1, &["chat"])] {
            let body = self.availability(&Pick { liveness, ..Pick::default() }).await;
            let presence = |name: &str| number(&body, &format!("/presenceSummary/{name}"));
            let capacity = |name: &str| number(&body, &format!("/availabilitySummary/{name}"));
            let agents = presence("Ready") + presence("Away") + presence("ExtendedAway") + presence("LoggedOut");
            let (available, full) = (capacity("available"), capacity("insufficientCapacity"));
            assert_eq!(available + capacity("incompatiblePresence") + full, agents, "both sums are equal: {body}");
            assert_eq!(agents - presence("LoggedOut"), logged_in, "agents who are logged in: {body}");
            assert!(available + full <= presence("Ready"), "{body}");
            assert!(available <= with(rows, channels, "available"), "{body}");
        }
    }
}

/// Returns the number of rows whose member `flag` is true on one of the channels.
fn with(rows: &[Value], channels: &[&str], flag: &str) -> u64 {
    let has = |row: &Value| channels.iter().any(|channel| row[channel][flag] == true);
    rows.iter().filter(|row| has(row)).count() as u64
}

fn number(body: &Value, pointer: &str) -> u64 {
    body.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number at {pointer}: {body}"))
}

fn csv(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

pub fn guids(kind: &str, ids: &[i64]) -> Vec<Named> {
    ids.iter().map(|id| Named::Entity(EntityRef::Guid(guid_of(kind, *id)))).collect()
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Available => "AVAILABLE",
        Status::Busy => "BUSY",
        _ => "TOGGLE_OFF",
    }
}

/// Returns a user in the form of iAdvize's REST API.
fn row(one: &Individual<'_>) -> Value {
    let channel = |channel: Channel| {
        let (conf, current) = (one.account.conf(channel), one.current[channel]);
        json!({ "enabled": conf.enabled, "slot_number": current, "slot_max_number": conf.max,
                "busy": current >= conf.max, "available": one.status(channel) == Status::Available })
    };
    json!({ "id": one.account.id, "connected": one.connected, "chat": channel(Channel::Chat),
            "call": channel(Channel::Call), "video": channel(Channel::Video) })
}

/// Returns whether two values are equal, with a tolerance for fractions.
fn is_close(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| is_close(value, other)))
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().expect("a number"), other.as_f64().expect("a number"));
            (one - other).abs() <= 1e-9 * one.abs().max(1.0)
        }
        _ => one == other,
    }
}
