<?php
// The requests of iAdvize's own PHP client (github.com/iadvize/api-rest-client) and of the library by which it sends
// them: the key in X-API-Key, `http_build_query` for nested arrays, fields repeated in the query, `page` and `limit` on
// every request, an empty form with DELETE. Only `meta.status` counts: the client does not look at the status of HTTP.

declare(strict_types=1);

require __DIR__ . '/service.php';

const MODES = ['read' => 'GET', 'create' => 'POST', 'update' => 'PUT', 'delete' => 'DELETE'];

/** Sends one request as the client does, and returns the decoded answer. */
function request(string $mode, string $resource, array $with = []): array
{
    $with += ['fields' => [], 'filters' => [], 'full' => false, 'page' => 1, 'limit' => 20];
    $with += ['version' => CURL_HTTP_VERSION_1_1];
    $given = ['full' => $with['full'], 'filters' => $with['filters'], 'fields' => $with['fields']];
    $query = array_filter($given) + ['page' => $with['page'], 'limit' => $with['limit']];
    $options = [
        CURLOPT_CUSTOMREQUEST => MODES[$mode],
        CURLOPT_HTTP_VERSION => $with['version'],
        CURLOPT_HTTPHEADER => ['X-API-Key: ' . setting('SERVICE_KEY')],
    ];
    $form = http_build_query($with['fields']);
    $options += $mode === 'read' ? [CURLOPT_HTTPGET => true] : [CURLOPT_POSTFIELDS => $form];
    return call("/api/2/$resource?" . http_build_query($query), $options)['body'];
}

function ids(array $answer): array
{
    same($answer['meta']['status'], 'success', 'meta.status');
    return array_column($answer['data'], 'id');
}

$of_groups = ['filters' => ['group_id' => GROUPS]];
foreach ([CURL_HTTP_VERSION_1_0, CURL_HTTP_VERSION_1_1] as $version) {
    $live = request('read', 'operator/live', $of_groups + ['full' => true, 'version' => $version]);
    same(ids($live), SELECTED, "operators online, HTTP version $version");
}
same(ids(request('read', 'operator/live')), [101, 102, 103, 104], 'all operators online');
same(ids(request('read', 'operator', $of_groups)), [...SELECTED, 105], 'operators of two groups');
same(ids(request('read', 'operator', ['filters' => ['group_id' => GROUPS, 'skill_id' => 2]])), [102], 'two filters');

// All pages: the client goes on until `page` is `pages`.
for ($page = 1, $seen = []; ; $page++) {
    $answer = request('read', 'operator', ['page' => $page, 'limit' => 2, 'full' => true]);
    $seen = [...$seen, ...ids($answer)];
    if ($answer['pagination']['page'] === $answer['pagination']['pages']) {
        break;
    }
}
same($seen, [101, 102, 103, 104, 105], 'all pages');

$call_config = ['type' => 'ANSWER_FROM_PHONE', 'ask_phone_number_at_every_connection' => true];
$created = request('create', 'operator', ['fields' => [
    'name' => 'Fay & Söhne', 'email' => 'fay@clients.example', 'website_list' => [7], 'skill_list' => [1, 2],
    'chat_enabled' => true, 'call_enabled' => false, 'call_config' => $call_config, 'pseudo' => null,
]]);
same($created['meta'], ['status' => 'success'], 'a creation');
$fay = $created['data'];
same($fay['name'], 'Fay & Söhne', 'a name with characters that are escaped');
same([$fay['skill_list'], $fay['website_list']], [[1, 2], [7]], 'lists of the fields');
same([$fay['chat_enabled'], $fay['call_enabled']], [true, false], 'true and false, which PHP writes as 1 and 0');
same($fay['call_config']['ask_phone_number_at_every_connection'], true, 'a nested field');

$changed = request('update', "operator/{$fay['id']}", ['fields' => ['skill_list' => [2], 'chat_max_number' => 3]]);
same([$changed['data']['skill_list'], $changed['data']['chat_max_number']], [[2], 3], 'a change');
$off = ['available' => false];
$switched = request('update', 'operator/101/live', ['fields' => ['chat' => $off, 'call' => $off]]);
same($switched['meta']['status'], 'success', 'the status of a switch');
same(request('read', 'operator/101/live')['data']['chat']['available'], false, 'chat after the switch');
same(request('delete', "operator/{$fay['id']}")['meta'], ['status' => 'success'], 'a deletion');

// Failures, which the client finds in `meta` alone.
$filtered = fn (array $filters): array => request('read', 'operator', ['filters' => $filters]);
$failures = [
    'an operator who was deleted' => request('read', "operator/{$fay['id']}"),
    'a filter that does not exist' => $filtered(['grup_id' => GROUPS]),
    'a filter of another form' => $filtered(['group_id' => ['a' => ['b' => 98]]]),
    'a resource that does not exist' => request('read', 'website'),
];
foreach ($failures as $what => $answer) {
    same($answer['meta']['status'], 'fail', $what);
}
$incomplete = request('create', 'operator', ['fields' => ['name' => 'Gil']]);
same($incomplete['meta'], ['status' => 'fail', 'message' => "Field 'email' is missing."], 'a missing field');
echo "iAdvize's client: 19 checks\n";
