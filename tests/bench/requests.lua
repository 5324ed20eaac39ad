-- requests.lua: what wrk sends, read from a file, and what it found, as JSON.
--
--     wrk ... -s requests.lua URL -- FILE loop|once
--
-- A line of FILE is method, path, a header and body, between tabs; the last two may be empty. With
-- "loop" each of wrk's threads sends them all, over and over. With "once", for requests that must
-- not be repeated, each thread takes every n-th line and stops at the end.

local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
    thread:set("count", tonumber(os.getenv("BENCH_THREADS")))
end

local file, loop
local ready = {}
local at = 0

function init(arguments)
    file = assert(io.open(arguments[1]))
    loop = arguments[2] == "loop"
    count = loop and 1 or count
    for _ = 1, loop and 0 or number do
        file:read("*l")
    end
end

local function next_line()
    local line = file:read("*l")
    for _ = 2, count do
        file:read("*l")
    end
    return line
end

local function format(line)
    local method, path, header, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
    local headers = {}
    if header ~= "" then
        local name, value = header:match("^([^:]+): (.*)$")
        headers[name] = value
    end
    if body == "" then
        return wrk.format(method, path, headers)
    end
    headers["Content-Type"] = "application/json"
    return wrk.format(method, path, headers, body)
end

function request()
    local line = file and next_line()
    if line then
        local formatted = format(line)
        if loop then
            ready[#ready + 1] = formatted
        end
        return formatted
    end
    file = nil
    if not loop then
        wrk.thread:stop()
        return wrk.format("GET", "/health")
    end
    at = at % #ready + 1
    return ready[at]
end

function done(summary, latency)
    local errors = summary.errors
    io.stderr:write(string.format(
        '{"requests":%d,"seconds":%.6f,"p50_us":%.1f,"p99_us":%.1f,"bad_answers":%d,"broken":%d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
