-- Script for wrk: sends status.changed with unique ids, for random users of the tenant made by seed.py.
--   wrk -s ingest.lua … http://HOST:PORT/v1/events -- KEY USERS RUN [EACH]
-- RUN must be different for each run: event ids begin with it. EACH is the number of events of a request: 1, as an object,
-- unless given; more are an array. The parts of requests are formatted once, with placeholders of the final length, so that
-- wrk only joins strings for each request.

local threads = 0

function setup(thread)
  thread:set("thread_number", threads)
  threads = threads + 1
end

function init(args)
  local key, users, run = args[1], tonumber(args[2]), args[3]
  each = tonumber(args[4] or "1")
  assert(users <= 900000, "user ids must stay six digits long")
  math.randomseed(os.time() + thread_number * 7919)
  counter = 0
  last_user = users - 1
  prefix = string.format("%s-%02d-", run, thread_number)
  local time = os.date("!%Y-%m-%dT%H:%M:%SZ")
  local headers = { ["Authorization"] = "Bearer " .. key, ["Content-Type"] = "application/json" }
  local function event(data)
    return '{"specversion":"1.0","id":"' .. prefix .. '##########","source":"/bench/ingest","type":"status.changed",'
      .. '"subject":"@@@@@@","time":"' .. time .. '","data":' .. data .. '}'
  end
  -- Events are of one length, so that the length of an array is known before it is made.
  local data = { '{"presence":"Ready"}', '{"presence":"Away" }', '{"channels":{"chat":true}}', '{"channels":{"chat":false}}' }
  for n, text in ipairs(data) do data[n] = text .. string.rep(" ", 27 - #text) end
  local length = each == 1 and #event(data[1]) or each * (#event(data[1]) + 1) + 1
  head = wrk.format("POST", wrk.path, headers, string.rep("*", length)):match("^(.-)%*")
  choices = {}
  for n, text in ipairs(data) do choices[n] = { event(text):match("^(.-)##########(.-)@@@@@@(.*)$") } end
end

local function event()
  counter = counter + 1
  local piece = choices[counter % 4 + 1]
  return piece[1] .. string.format("%010d", counter) .. piece[2] .. (100000 + math.random(0, last_user)) .. piece[3]
end

function request()
  if each == 1 then return head .. event() end
  local events = {}
  for n = 1, each do events[n] = event() end
  return head .. "[" .. table.concat(events, ",") .. "]"
end
