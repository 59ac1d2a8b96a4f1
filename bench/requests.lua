-- The requests that wrk sends: `wrk --script requests.lua URL -- SCENARIO PHASE TOKENS [PAUSE]`, PHASE being warm-up or
-- measured, TOKENS a file with a tenant and its token in each line, PAUSE the mean of the milliseconds that each
-- connection waits before its next request. Every subject gets the same requests in the same order.

local ORDERS, PETS, TASKS, CONFIGURATIONS = 10000, 10000, 10000, 10000
local TENANTS, PEOPLE = 100, 100

-- An order can be confirmed once: each phase has drafts of its own, by their numbers.
local PHASES = {
  ["warm-up"] = { seed = 1, first = 10000, last = 24999 },
  ["measured"] = { seed = 2, first = 25000, last = 69999 },
}

local scenarios, build, phase, count = {}, nil, nil, -1
local bearer = {}

function init(args)
  build, phase = scenarios[args[1]], PHASES[args[2]]
  for line in io.lines(args[3]) do
    local tenant, token = line:match("(%S+) (%S+)")
    bearer[tenant] = "Bearer " .. token
  end
  local pause = tonumber(args[4] or 0)
  if pause > 0 then -- wrk asks before each request where there is such a function
    function delay()
      return math.random(0, 2 * pause)
    end
  end
  math.randomseed(phase.seed)
end

function request()
  count = count + 1
  return build(math.max(count - 1, 0)) -- wrk makes the first one only to look at it
end

local function order(number)
  return string.format("/orders/019a%04x-%04x-7000-8000-000000000000", math.floor(number / 65536), number % 65536)
end

local function tenant(number)
  return string.format("tenant-%03d", number % TENANTS)
end

-- What says who calls, and other headers.
local function headers_of(name, headers)
  headers["Authorization"] = bearer[name]
  return headers
end

local function orders_headers(name, headers)
  headers["X-Tenant-Id"] = name
  return headers_of(name, headers)
end

function scenarios.order()
  local number = math.random(ORDERS) - 1
  return wrk.format("GET", order(number), orders_headers(tenant(number), {}))
end

function scenarios.orders()
  return wrk.format("GET", "/orders?limit=50", orders_headers(tenant(math.random(TENANTS)), {}))
end

function scenarios.pet()
  local number = math.random(PETS)
  return wrk.format("GET", "/pets/" .. number, headers_of(tenant(number), {}))
end

function scenarios.task()
  local number = math.random(TASKS)
  return wrk.format("GET", "/v1/tasks/" .. number, headers_of(tenant(number), {}))
end

function scenarios.tasks()
  local person = math.random(PEOPLE) - 1
  local path = string.format("/v1/tasks?status=new,in_progress&assignee=person-%03d&limit=50", person)
  return wrk.format("GET", path, headers_of(tenant(person), {}))
end

local function configuration(headers)
  local number = math.random(CONFIGURATIONS) - 1
  local path = string.format("/api/v1/configurations/01JCZ5Y7Q2GDB5E0%010d", number)
  return wrk.format("GET", path, headers_of(tenant(number), headers))
end

function scenarios.config()
  return configuration({})
end

-- An asterisk names whatever version there is.
function scenarios.unchanged()
  return configuration({ ["If-None-Match"] = "*" })
end

-- One that is confirmed twice answers 412 or 409, and the run has failed.
function scenarios.confirm(visit)
  local number = phase.first + visit
  if number > phase.last then
    error("the drafts are used up: measure for fewer seconds", 0) -- 0: without this file's path
  end
  local headers = orders_headers(string.format("drafts-%03d", number % TENANTS), {
    ["Content-Type"] = "application/json",
    ["If-Match"] = '"1"',
  })
  return wrk.format("PATCH", order(number) .. "/confirm", headers, string.format('{"totalCents":%d}', number))
end

function scenarios.create()
  local headers = orders_headers(tenant(math.random(TENANTS)), {
    ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = string.format("%08x-%08x-%08x", math.random(2 ^ 31), math.random(2 ^ 31), math.random(2 ^ 31)),
  })
  return wrk.format("POST", "/orders", headers, "{}")
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,'
      .. '"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect, errors.read, errors.write, errors.timeout, errors.status
  ))
end
