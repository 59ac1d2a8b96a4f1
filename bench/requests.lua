-- The requests that wrk sends: `wrk --script requests.lua URL -- SCENARIO PHASE`, PHASE being warm-up or measured.
-- Every subject gets the same ones in the same order.

local PETS, SPECIES, PEOPLE, CONFIGURATIONS = 10000, 100, 100, 10000

-- The two phases write to different pets, so that each knows the version of every pet that it meets.
local PHASES = {
  ["warm-up"] = { seed = 1, first = 8001, pets = 2000 },
  ["measured"] = { seed = 2, first = 1, pets = 8000 },
}

local JSON = { ["Content-Type"] = "application/json" }
local PET = '{"name":"Mittens","species":"cat","age_years":2,"status":"available"}'

local scenarios, build, phase, count = {}, nil, nil, -1

function init(args)
  build, phase = scenarios[args[1]], PHASES[args[2]]
  math.randomseed(phase.seed)
end

function request()
  count = count + 1
  return build(math.max(count - 1, 0)) -- wrk makes the first one only to look at it
end

function scenarios.get()
  return wrk.format("GET", "/pets/" .. math.random(PETS))
end

function scenarios.list()
  return wrk.format("GET", string.format("/pets?species=species-%03d&limit=50", math.random(SPECIES) - 1))
end

function scenarios.tasks()
  local person = math.random(PEOPLE) - 1
  return wrk.format("GET", string.format("/v1/tasks?status=new,in_progress&assignee=person-%03d&limit=50", person))
end

local function configuration()
  return string.format("/api/v1/configurations/01JCZ5Y7Q2GDB5E0%010d", math.random(CONFIGURATIONS) - 1)
end

function scenarios.config()
  return wrk.format("GET", configuration())
end

-- An asterisk names whatever version there is.
function scenarios.unchanged()
  return wrk.format("GET", configuration(), { ["If-None-Match"] = "*" })
end

function scenarios.post()
  JSON["Idempotency-Key"] = string.format("%08x-%08x-%08x", math.random(2 ^ 31), math.random(2 ^ 31), math.random(2 ^ 31))
  return wrk.format("POST", "/pets", JSON, PET)
end

-- Walks over the pets in steps that visit each once a lap: no two requests in flight meet in one row, and a pet's
-- version is known from the lap. An update that got lost, or counted twice, answers 412 in the next lap.
function scenarios.patch(visit)
  local lap = math.floor(visit / phase.pets)
  local pet = phase.first + visit * 1237 % phase.pets
  JSON["If-Match"] = string.format('"%d"', lap + 1)
  return wrk.format("PATCH", "/pets/" .. pet, JSON, string.format('{"age_years":%d}', lap % 100))
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
