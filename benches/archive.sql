-- Inserts :count conversations of :tenant that closed within three months, in random order. Each was routed, pushed,
-- snoozed, pushed again and closed.
INSERT INTO archive (tenant, id, closed_ms, closed, seq, project, channel, reason, users, routing_groups, size, body)
SELECT :'tenant', id, closed / 1000, closed, 1, 1 + n % 2, 'CHAT', NULL, ARRAY[1 + n % 500], '{}', octet_length(body), body::json
FROM (
    SELECT n, id, closed, format(
        '{"channel":"CHAT","created":%1$s,"closed":%6$s,"moments":[
          {"time":%1$s,"seq":1,"id":"%7$s","what":{"routed":{"group":1}}},
          {"time":%2$s,"seq":1,"id":"%8$s","what":{"pushed":{"user":%12$s,"medium":"CHAT","project":1}}},
          {"time":%3$s,"seq":1,"id":"%9$s","what":{"snoozed":{}}},
          {"time":%4$s,"seq":1,"id":"%10$s","what":{"pushed":{"user":%12$s,"medium":"CHAT","project":1}}},
          {"time":%6$s,"seq":1,"id":"%11$s","what":{"closed":{}}}]}',
        at[1], at[2], at[3], at[4], NULL, at[5],
        gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1 + n % 500) AS body
    FROM (
        SELECT n, gen_random_uuid() AS id,
               -- Steps by a number that is coprime to the count, so that every place is visited once, out of order.
               1750000000000000 + (n::numeric * 7368787 % :count)::bigint * (7776000000000 / :count) AS closed
        FROM generate_series(1, :count) AS n
    ) AS made
    CROSS JOIN LATERAL (
        SELECT array_agg('"' || to_char(to_timestamp(closed / 1000000.0 - back) AT TIME ZONE 'UTC',
                                        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"' ORDER BY back DESC) AS at
        FROM unnest(ARRAY[600, 599, 595, 295, 0]) AS back
    ) AS times
) AS conversations;
ANALYZE archive;
