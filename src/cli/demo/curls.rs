//! Commands to copy into a shell: some for each dialect, and one that posts an event.

use super::people;

/// Returns the commands for the service at `url`, with a key.
pub fn text(url: &str, key: &str) -> String {
    let json = "-H 'Content-Type: application/json'";
    let bearer = format!("-H 'Authorization: Bearer {key}'");
    let indicator = "{connectedUsersIndicator{connectedUsersCount countByChatAvailabilityStatus{available busy \
                     toggleOff} usersInProductionChatOccupancy{simultaneousConversationAverage \
                     maximumSimultaneousConversationAverage occupancyRate}}}";
    let contacts = "{conversations(last:1){edges{node{createdAt channel contacts{start end ending user{lastName} \
                    routingGroup{name}}}}}}";
    let vendor = "-H 'Accept: application/vnd.newvoicemedia.v1+json'";
    // The shell fills in the current time.
    let event = format!(
        "{{\"specversion\":\"1.0\",\"id\":\"'$(date +%s)'\",\"source\":\"/my/terminal\",\"type\":\"desk.connected\",\
         \"subject\":\"{}\",\"time\":\"'$(date -u +%Y-%m-%dT%H:%M:%SZ)'\",\
         \"data\":{{\"session\":\"my-terminal\",\"lease_seconds\":60}}}}",
        people::FIRST_ID
    );
    let lines = [
        ("iAdvize GraphQL: connected users and their occupancy", {
            format!("curl -sw '\\n' {url}/graphql {bearer} {json} -d '{{\"query\":\"{indicator}\"}}'")
        }),
        ("iAdvize GraphQL: the newest open conversation, contact by contact", {
            format!("curl -sw '\\n' {url}/graphql {bearer} {json} -d '{{\"query\":\"{contacts}\"}}'")
        }),
        ("Convoso: agents of a campaign, logged in and available", {
            format!("curl -sw '\\n' {url}/v1/user-activity/search -d auth_token={key} -d campaign_id=111")
        }),
        ("iAdvize REST: operators online in Paris, by channel", {
            format!("curl -gsw '\\n' '{url}/api/2/operator/live?filters[group_id]=1' -H 'X-API-Key: {key}'")
        }),
        ("Vonage: agents by presence, and by capacity for one more chat", {
            format!(
                "curl -sw '\\n' {url}/agents-availability {bearer} {vendor} {json} -d '{{\"liveness\":\"semilive\"}}'"
            )
        }),
        ("Events: connect a desk for a minute", {
            format!("curl -sw '\\n' {url}/v1/events {bearer} {json} -d '{event}'")
        }),
    ];
    lines.map(|(about, line)| format!("\n# {about}\n{line}")).join("\n")
}
