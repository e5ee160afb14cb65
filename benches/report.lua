-- Appended by http.sh to its scripts for wrk: prints one line of results for http.sh to parse.
-- A failure is a status of 400 or more, a time-out, or a connection error.

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format("RESULT %d %.6f %.3f %.3f %d\n", summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, e.status + e.timeout + e.connect + e.read + e.write))
end
