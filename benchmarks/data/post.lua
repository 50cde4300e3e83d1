-- POST the lines of the file named by BODIES, one after the other, and write what came of it as one line of JSON.
local requests, next_one = {}, 0

function init(args)
  for line in io.lines(os.getenv("BODIES")) do
    requests[#requests + 1] = wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, line)
  end
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end

function done(summary, latency, each)
  io.write(string.format(
    '\nJSON {"requests":%d,"seconds":%.6f,"bytes":%d,"failed":%d,"p50":%.6f,"p99":%.6f,"max":%.6f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6, latency.max / 1e6))
end
