-- Script for wrk: sends one status.changed a request, with a unique id, for random users of the tenant made by seed.py.
--   wrk -s ingest.lua … http://HOST:PORT/v1/events -- KEY USERS RUN
-- RUN must be different for each run: event ids begin with it. The request is formatted once, with placeholders of the
-- final length, so that wrk only joins five strings for each request.

local threads = 0

function setup(thread)
  thread:set("thread_number", threads)
  threads = threads + 1
end

function init(args)
  local key, users, run = args[1], tonumber(args[2]), args[3]
  assert(users <= 900000, "user ids must stay six digits long")
  math.randomseed(os.time() + thread_number * 7919)
  counter = 0
  last_user = users - 1
  prefix = string.format("%s-%02d-", run, thread_number)
  local time = os.date("!%Y-%m-%dT%H:%M:%SZ")
  local headers = { ["Authorization"] = "Bearer " .. key, ["Content-Type"] = "application/json" }
  local function pieces(data)
    local body = '{"specversion":"1.0","id":"' .. prefix .. '##########","source":"/bench/ingest","type":"status.changed",'
      .. '"subject":"@@@@@@","time":"' .. time .. '","data":' .. data .. '}'
    local before, between, after = wrk.format("POST", wrk.path, headers, body):match("^(.-)##########(.-)@@@@@@(.*)$")
    return { before, between, after }
  end
  choices = {
    pieces('{"presence":"Ready"}'),
    pieces('{"presence":"Away"}'),
    pieces('{"channels":{"chat":true}}'),
    pieces('{"channels":{"chat":false}}'),
  }
end

function request()
  counter = counter + 1
  local piece = choices[counter % 4 + 1]
  return piece[1] .. string.format("%010d", counter) .. piece[2] .. (100000 + math.random(0, last_user)) .. piece[3]
end
