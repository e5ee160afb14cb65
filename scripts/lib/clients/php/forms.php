<?php
// Requests as PHP writes them without the vendor's client: nested arrays in a query and in a form, an array of fields,
// which curl sends as multipart/form-data, `Expect: 100-continue`, a stream, and JSON in which an empty array stands
// for no variables.

declare(strict_types=1);

require __DIR__ . '/service.php';

$key = setting('SERVICE_KEY');
$json = ["Authorization: Bearer $key", 'Content-Type: application/json'];
$counts = ['success' => true, 'data' => ['available_agents' => 2, 'logged_in_agents' => 3]];
$search = ['auth_token' => $key, 'campaign_id' => CAMPAIGNS, 'queue_id' => '', 'user_id' => null];
$parts = ['auth_token' => $key, 'campaign_id[0]' => '111', 'campaign_id[1]' => '112'];
$expect = ['Expect: 100-continue'];
$activity = '/v1/user-activity/search';

same(call("$activity?" . http_build_query($search))['body'], $counts, 'the query');
same(call($activity, [CURLOPT_POSTFIELDS => http_build_query($search)])['body'], $counts, 'the form');
same(call($activity, [CURLOPT_POSTFIELDS => $parts])['body'], $counts, 'multipart/form-data');
foreach ([http_build_query($search), $parts] as $fields) {
    $answer = call($activity, [CURLOPT_POSTFIELDS => $fields, CURLOPT_HTTPHEADER => $expect]);
    same($answer['body'], $counts, 'after 100 Continue');
    same(str_contains($answer['sent'], 'Expect: 100-continue'), true, 'Expect was sent');
}
$form = 'Content-Type: application/x-www-form-urlencoded';
$http = ['method' => 'POST', 'header' => $form, 'content' => http_build_query($search)];
$body = file_get_contents(setting('SERVICE_URL') . $activity, false, stream_context_create(['http' => $http]));
same(json_decode((string) $body, true), $counts, 'a stream');

// A body over 1 MiB, before which curl waits for 100 Continue by itself, is refused before it is sent.
$large = call($activity, [CURLOPT_POSTFIELDS => 'auth_token=' . str_repeat('a', 2_000_000)]);
same([$large['status'], $large['body']['success']], [413, false], 'a body over the limit');

// iAdvize's switches as parts: an array of fields with PUT.
$switch = call('/operator/101/live', [
    CURLOPT_CUSTOMREQUEST => 'PUT', CURLOPT_HTTPHEADER => ["X-API-Key: $key", ...$expect],
    CURLOPT_POSTFIELDS => ['chat[available]' => '0', 'call[available]' => '1'],
]);
$switched = 'Operator is now unavailable for chat channel. Operator is now available for call channel.';
same($switch['body']['meta']['message'], $switched, 'a switch');

$query = 'query($groups:[LegacyId!]){connectedUsersIndicator(groupIds:$groups){connectedUsersCount}}';
$post = fn (array $body): array => [CURLOPT_HTTPHEADER => $json, CURLOPT_POSTFIELDS => json_encode($body)];
$ask = fn (array $body): array => call('/graphql', $post($body))['body'];
$connected = fn (int $count): array => ['data' => ['connectedUsersIndicator' => ['connectedUsersCount' => $count]]];
same($ask(['query' => $query, 'variables' => ['groups' => GROUPS]]), $connected(3), 'variables');
$without = ['query' => $query, 'variables' => [], 'operationName' => ''];
same($ask($without), $connected(4), 'no variables, which PHP writes as []');

$event = [
    'specversion' => '1.0', 'id' => uniqid(), 'source' => '/clients', 'type' => 'desk.connected', 'subject' => '105',
    'time' => date(DATE_RFC3339_EXTENDED), 'data' => ['session' => 'desk-105'],
];
$taken = call('/v1/events', [CURLOPT_HTTPHEADER => [...$json, ...$expect], CURLOPT_POSTFIELDS => json_encode($event)]);
same($taken['body']['applied'], 1, 'an event');
same($ask(['query' => $query, 'variables' => ['groups' => GROUPS]]), $connected(4), 'the count after the event');

$nested = ['auth_token' => $key, 'campaign_id' => ['a' => ['b' => 111]]];
$refused = call($activity, [CURLOPT_POSTFIELDS => http_build_query($nested)]);
same([$refused['status'], $refused['body']['success']], [400, false], 'a filter of another form');
echo "PHP: 15 checks\n";
