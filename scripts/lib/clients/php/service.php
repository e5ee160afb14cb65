<?php
// The service that the PHP clients call, and what they share.

declare(strict_types=1);

const GROUPS = [98, 99];
const CAMPAIGNS = [111, 112];
const SELECTED = [101, 102, 104];

function setting(string $name): string
{
    $value = getenv($name);
    return is_string($value) ? $value : throw new RuntimeException("$name is not set");
}

/** Fails unless both values are equal, types included. */
function same(mixed $actual, mixed $expected, string $what): void
{
    if ($actual !== $expected) {
        throw new AssertionError("$what: " . json_encode($actual) . ' rather than ' . json_encode($expected));
    }
}

/**
 * Sends a request with curl. `$options` are added to the handle's.
 *
 * @return array{status: int, body: array<string, mixed>, sent: string} with the head of the request as it was sent
 */
function call(string $path, array $options = []): array
{
    $curl = curl_init(setting('SERVICE_URL') . $path);
    $options += [CURLOPT_RETURNTRANSFER => true, CURLINFO_HEADER_OUT => true, CURLOPT_TIMEOUT => 30];
    curl_setopt_array($curl, $options);
    $body = curl_exec($curl);
    if (!is_string($body)) {
        throw new RuntimeException("$path: " . curl_error($curl));
    }
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    return [
        'status' => $status,
        'body' => json_decode($body, true) ?? throw new RuntimeException("$path: $status $body"),
        'sent' => (string) curl_getinfo($curl, CURLINFO_HEADER_OUT),
    ];
}
