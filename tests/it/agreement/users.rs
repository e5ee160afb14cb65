//! Users in GraphQL, page by page in both directions, compared with the reference.

use reqwest::Method;
use rollcall::domain::filter::{Clause, Dimension};
use rollcall::domain::{Channel, Filter, Status};
use serde_json::{Value, json};

use super::dialects::{Queries, guids};
use super::questions::{Pick, any_of};
use crate::model::generate::guid_of;
use crate::model::reference::{Answers, Individual};

const USERS: &str = "query($ids:[LegacyId!],$groups:[LegacyId!],$projects:[LegacyId!],$skills:[LegacyId!],
    $routingGroups:[UUID!],$roles:[UserRole!],$first:Int,$after:String,$last:Int,$before:String){
  users(ids:$ids,groupIds:$groups,projectIds:$projects,skillIds:$skills,routingGroupIds:$routingGroups,roles:$roles,
      isConnected:true,first:$first,after:$after,last:$last,before:$before){
    edges{node{id isDeleted presence{isConnected updatedAt definition{id}}
      availability{chat{...c} call{...c} video{...c} thirdParty{...c}}}}
    pageInfo{startCursor endCursor hasPreviousPage hasNextPage}
  }
}
fragment c on UserChannelAvailability{isEnabled isAvailable currentSlots maxSlots status}";

impl Queries<'_> {
    pub async fn users(&self, pick: &Pick, expected: impl Fn(&Filter) -> Answers, everyone: &[Individual<'_>]) {
        let filter = Filter::default()
            .and(pick.of_users())
            .and(any_of(Dimension::Group, &pick.groups))
            .and(any_of(Dimension::Project, &pick.projects))
            .and(any_of(Dimension::Skill, &pick.skills))
            .and(Clause::Any(Dimension::RoutingGroup, guids("routing_group", &pick.routing_groups)))
            .and(Clause::Roles(pick.roles.clone()));
        let ids = expected(&filter).online;
        let nodes: Vec<Value> = everyone.iter().filter(|one| ids.contains(&one.account.id)).map(node).collect();
        for forward in [true, false] {
            assert_eq!(self.walk(pick, forward).await, nodes, "{filter:?}, forward: {forward}");
        }
    }

    /// Reads all pages of two users; returns the users in ascending order.
    async fn walk(&self, pick: &Pick, forward: bool) -> Vec<Value> {
        let (mut nodes, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page = self.page(pick, forward, &cursor).await;
            let edges = page["edges"].as_array().expect("edges").iter().map(|edge| edge["node"].clone());
            let at = if forward { nodes.len() } else { 0 };
            nodes.splice(at..at, edges);
            let (more, end) = if forward { ("hasNextPage", "endCursor") } else { ("hasPreviousPage", "startCursor") };
            if page["pageInfo"][more] == false {
                return nodes;
            }
            cursor = page["pageInfo"][end].clone();
        }
    }

    async fn page(&self, pick: &Pick, forward: bool, cursor: &Value) -> Value {
        let role = |role| serde_json::to_value(role).expect("a word").as_str().map(str::to_uppercase);
        let (size, place) = if forward { ("first", "after") } else { ("last", "before") };
        let variables = json!({
            "ids": pick.users,
            "groups": pick.groups,
            "projects": pick.projects,
            "skills": pick.skills,
            "routingGroups": pick.routing_groups.iter().map(|id| guid_of("routing_group", *id)).collect::<Vec<_>>(),
            "roles": pick.roles.iter().map(role).collect::<Vec<_>>(),
            size: 2,
            place: cursor,
        });
        let request = self.api.request(Method::POST, "/graphql").bearer_auth(self.key);
        let body = self.ask(request.json(&json!({ "query": USERS, "variables": variables }))).await;
        assert!(body.get("errors").is_none(), "{body}");
        body["data"]["users"].clone()
    }
}

/// Returns a user in the form of GraphQL.
fn node(one: &Individual<'_>) -> Value {
    let channel = |channel: Channel| {
        let (conf, status) = (one.account.conf(channel), one.status(channel));
        json!({ "isEnabled": conf.enabled, "isAvailable": status == Status::Available,
                "currentSlots": one.current[channel], "maxSlots": conf.max, "status": word(status) })
    };
    json!({
        "id": one.account.id,
        "isDeleted": false,
        "presence": { "isConnected": one.connected, "updatedAt": one.updated.map(|time| time.to_string()),
                      "definition": { "id": one.shown } },
        "availability": { "chat": channel(Channel::Chat), "call": channel(Channel::Call),
                          "video": channel(Channel::Video), "thirdParty": channel(Channel::ThirdParty) },
    })
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Offline => "OFFLINE",
        Status::Disabled => "DISABLED",
        Status::ToggleOff => "TOGGLE_OFF",
        Status::Busy => "BUSY",
        Status::Available => "AVAILABLE",
    }
}
