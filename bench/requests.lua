-- For wrk: sends the requests of a file in turn, and prints one line of JSON at the end.
-- A line of the file: method, path, Authorization, X-API-Key and body, separated by tabs.

local requests = {}
local sent = 0

function init(args)
  for line in io.lines(args[1]) do
    local method, path, authorization, key, body = line:match("^(.-)\t(.-)\t(.-)\t(.-)\t(.*)$")
    local headers = {}
    if authorization ~= "" then headers["Authorization"] = authorization end
    if key ~= "" then headers["X-API-Key"] = key end
    if body ~= "" then headers["Content-Type"] = "application/json" end
    requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status + errors.read + errors.write + errors.connect + errors.timeout
  ))
end
