-- Asks for one login after the other. Every line of the file that is named is a path and, for an owner, what the
-- `Authorization` header says. Requests are put together once: what is measured is the server.

local requests, at = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local path, who = line:match("^(%S+) ?(.*)$")
    local headers = {}
    if who ~= "" then headers["Authorization"] = who end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    "wrk: %d %d %d %d\n",
    summary.requests,
    summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    latency:percentile(99)
  ))
end
