"""Lua scripts for the steps on a project's Redis keys that must be atomic.

redis-py repeats a command if the connection fails before the answer: so each script can run twice with the same result,
except that `STORE_EVENT` may count an event beyond the limits twice, and `MERGE_ERRORS` an error. "Nothing" below is an
empty argument or result.
"""

#: A function that makes a state the only one that lists a job in the index. An entry keeps its time of creation.
#: Arguments: prefix of the index's keys, job, state, time of creation in ms of a job without an entry.
_LIST_JOB = """
local function list_job(prefix, job, state, created)
  for _, other in ipairs({'queued', 'started', 'finished', 'failed', 'interrupted', 'cancelled'}) do
    created = redis.call('zscore', prefix .. other, job) or created
    if other ~= state then redis.call('zrem', prefix .. other, job) end
  end
  redis.call('zadd', prefix .. state, created, job)
end
"""

#: Lists a job in the index. Arguments: prefix of the index's keys, job, state, time of creation in ms.
LIST_JOB = f"{_LIST_JOB}list_job(ARGV[1], ARGV[2], ARGV[3], ARGV[4])"

#: Stores an event, and returns the job that will process it; for a token that is stored already, returns its job only.
#: New annotations are subtracted from the number that a postponed run waits for; a training request ends the wait.
#: An event without login has a digest of its content. It is folded (not stored) while the event queue has an event with
#: the same digest that no run has read. If it is too long, or the project has too many such events, it is beyond the
#: limits: one event stands for all those, moves to the event queue's end each time, and adds up their numbers of
#: annotations. Tokens of events that are folded or beyond the limits are not stored: anyone may send any number, and
#: tokens take memory. If such an event is sent again, because its answer was lost, it is folded or counted again.
#: Keys: token, event queue, payloads, dirty, waiting, postponement, jobs, backend, untrusted, folds. Arguments:
#: project, id for a new job, action, number of annotations, event, life of the token in s, time, prefix of jobs' keys;
#: id of the backend (nothing with an embedded broker), its class and code; digest (nothing for an event with login),
#: event that stands for those beyond the limits, limits of events and bytes, 1 if the event is too long; sender
#: (nothing without login); prefix of the index's keys, time in ms. The sender is stored with the event, and as
#: `asked_by` in the job's record: there, the sender of a training request replaces an earlier one, any other sender
#: does not. A job that a wake-up has created is marked no longer (`woken`), because the sender learns its id. Returns
#: the job's id, 1 if it is new, 1 if a worker is to be woken; an empty list if another backend owns the queue.
STORE_EVENT = """
if ARGV[9] ~= '' then
  local owner = redis.call('hget', KEYS[8], 'id')
  if owner and owner ~= ARGV[9] then return {} end
end
local stored_job = redis.call('get', KEYS[1])
if stored_job then
  return {stored_job, 0, redis.call('get', KEYS[5]) == stored_job and 1 or 0}
end
local action, count, event, life = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local beyond = false
if ARGV[12] ~= '' then
  local folded = redis.call('get', KEYS[5])
  if folded and redis.call('hexists', KEYS[10], ARGV[12]) == 1 then return {folded, 0, 0} end
  local counters = redis.call('hmget', KEYS[9], 'events', 'bytes', 'beyond')
  beyond = ARGV[16] == '1' or tonumber(counters[1] or '0') >= tonumber(ARGV[14])
    or tonumber(counters[2] or '0') + #event > tonumber(ARGV[15])
  if beyond then
    action, event, life = 'ANNOTATIONS_CREATED', ARGV[13], ''
    local combined = counters[3] and redis.call('xrange', KEYS[2], counters[3], counters[3]) or {}
    if #combined == 1 then
      count = count + tonumber(combined[1][2][4])
      event = redis.call('hget', KEYS[3], counters[3]) or event
      redis.call('xdel', KEYS[2], counters[3])
      redis.call('hdel', KEYS[3], counters[3])
    end
  end
end
local caller = ARGV[17] ~= '' and {'caller', ARGV[17]} or {}
local id = redis.call('xadd', KEYS[2], '*', 'action', action, 'annotations', count, unpack(caller))
redis.call('hset', KEYS[3], id, event)
if beyond then
  redis.call('hset', KEYS[9], 'beyond', id)
elseif ARGV[12] ~= '' then
  redis.call('hset', KEYS[9], id, #event)
  redis.call('hincrby', KEYS[9], 'events', 1)
  redis.call('hincrby', KEYS[9], 'bytes', #event)
  redis.call('hset', KEYS[10], ARGV[12], id)
end
redis.call('sadd', KEYS[4], ARGV[1])
local job, new, wake = redis.call('get', KEYS[5]), 0, 0
if not job then
  job, new, wake = ARGV[2], 1, 1
  redis.call('set', KEYS[5], job)
  redis.call('hset', ARGV[8] .. job, 'project', ARGV[1], 'state', 'queued', 'created', ARGV[7])
  redis.call('lpush', KEYS[7], job)
  redis.call('zadd', ARGV[18] .. 'queued', ARGV[19], job)
else
  redis.call('hdel', ARGV[8] .. job, 'woken')
end
if ARGV[9] ~= '' then
  redis.call('hset', ARGV[8] .. job, 'backend', ARGV[9], 'class', ARGV[10], 'code', ARGV[11])
end
if ARGV[17] ~= '' and redis.call('exists', ARGV[8] .. job) == 1 then
  redis.call(action == 'START_TRAINING' and 'hset' or 'hsetnx', ARGV[8] .. job, 'asked_by', ARGV[17])
end
if life ~= '' then redis.call('set', KEYS[1], job, 'ex', life) end
if ARGV[3] == 'START_TRAINING' then
  wake = math.max(wake, redis.call('del', KEYS[6]))
elseif tonumber(ARGV[4]) > 0 and redis.call('hexists', KEYS[6], 'need') == 1 then
  if redis.call('hincrby', KEYS[6], 'need', -tonumber(ARGV[4])) <= 0 then
    redis.call('del', KEYS[6])
    wake = 1
  else
    local have = redis.call('hincrby', KEYS[6], 'have', ARGV[4])
    local message = string.gsub(redis.call('hget', KEYS[6], 'text'), '{have}', tostring(have))
    redis.call('hset', ARGV[8] .. job, 'message', message)
  end
end
return {job, new, wake}
"""

#: Returns the id of the waiting job, for which to wake a worker; if no job waits, the new id becomes the waiting job's.
#: Keys: waiting, lease, event queue, dirty. Arguments: id for a new job, project.
#: Returns nothing if no job waits and a worker trains the project, because that worker checks for events at its end; or
#: if no job waits and the event queue is empty. An empty event queue also removes the project from the dirty set.
NEXT_JOB = """
local job = redis.call('get', KEYS[1])
if not job and redis.call('xlen', KEYS[3]) == 0 then
  redis.call('srem', KEYS[4], ARGV[2])
elseif not job and redis.call('exists', KEYS[2]) == 0 then
  job = ARGV[1]
  redis.call('set', KEYS[1], job)
end
return job
"""

#: Postpones a project's next run. The job becomes the waiting job again; if a newer job waits already, the job ends.
#: Keys: waiting, postponement, event queue, job. Arguments: job id, text, have, need or nothing, at or nothing, code,
#: id of the last event that the decision covers, time, prefix of jobs' keys, sender of the training request or nothing,
#: prefix of the index's keys, time in ms of the job's creation.
#: `since` is set to the time of Redis in ms, like `at`. Returns 1, or 0 if the event queue has later events, or none:
#: then no postponement is stored, and the caller must decide again.
POSTPONE = f"""{_LIST_JOB}
local message = string.gsub(ARGV[2], '{{have}}', ARGV[3])
local waiting = redis.call('get', KEYS[1])
if waiting and waiting ~= ARGV[1] then
  redis.call('hset', KEYS[4], 'state', 'finished', 'ended', ARGV[8], 'message', message .. '; see job ' .. waiting)
  redis.call('hset', ARGV[9] .. waiting, 'message', message)
  list_job(ARGV[11], ARGV[1], 'finished', ARGV[12])
else
  redis.call('set', KEYS[1], ARGV[1])
  redis.call('hset', KEYS[4], 'state', 'queued', 'message', message)
  redis.call('hdel', KEYS[4], 'started')
  list_job(ARGV[11], ARGV[1], 'queued', ARGV[12])
end
local last = redis.call('xrevrange', KEYS[3], '+', '-', 'count', 1)
if #last == 0 or last[1][1] ~= ARGV[7] then return 0 end
if ARGV[10] ~= '' then redis.call('hset', ARGV[9] .. redis.call('get', KEYS[1]), 'asked_by', ARGV[10]) end
redis.call('del', KEYS[2])
local time = redis.call('time')
local since = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('hset', KEYS[2], 'code', ARGV[6], 'text', ARGV[2], 'have', ARGV[3], 'since', since)
if ARGV[4] ~= '' then redis.call('hset', KEYS[2], 'need', ARGV[4]) end
if ARGV[5] ~= '' then redis.call('hset', KEYS[2], 'at', ARGV[5]) end
return 1
"""

#: Takes a turn: sets an expiring key. Argument: life of the key in ms. Returns 1, or 0 if the turn is taken already.
#: A key with a longer time to live than that was set before the clock was set back, and does not count.
TAKE_TURN = """
local left = redis.call('pttl', KEYS[1])
if left ~= -2 and left <= tonumber(ARGV[1]) then return 0 end
redis.call('set', KEYS[1], 1, 'px', ARGV[1])
return 1
"""

#: Returns 1 if a lease is held, else 0. Key: lease. Argument: life in ms of a lease that does not store its own.
#: A lease with a longer time to live than its life was taken before the clock was set back. Then it expires after its
#: life from now on: a running worker renews it before that, and the lease of a killed worker ends.
IS_LEASED = """
local left = redis.call('pttl', KEYS[1])
local life = string.match(redis.call('get', KEYS[1]) or '', ':(%d+)$') or ARGV[1]
if left > tonumber(life) then redis.call('pexpire', KEYS[1], life) end
return left == -2 and 0 or 1
"""

#: Ends the re-prediction of a project that a version made due, unless another version has made it due since.
#: Key: due re-predictions. Arguments: project, id of the version. Returns 1 if the project is not due any more, else 0.
FINISH_REPREDICTION = """
local due = redis.call('hget', KEYS[1], ARGV[1])
if due and due ~= ARGV[2] then return 0 end
redis.call('hdel', KEYS[1], ARGV[1])
return 1
"""

#: Removes events from an event queue, and the project from the dirty set if no event is left. Keys: event queue,
#: payloads, dirty, untrusted, folds. Arguments: project, ids of events. All folds are removed, so that no event is
#: folded into a removed one. A Redis out of memory removes the events without updating the counts; an empty event
#: queue resets them.
REMOVE_EVENTS = """
redis.call('del', KEYS[5])
for number = 2, #ARGV do
  local id = ARGV[number]
  redis.call('xdel', KEYS[1], id)
  redis.call('hdel', KEYS[2], id)
  local size = redis.call('hget', KEYS[4], id)
  if size then
    redis.call('hdel', KEYS[4], id)
    redis.pcall('hincrby', KEYS[4], 'events', -1)
    redis.pcall('hincrby', KEYS[4], 'bytes', -tonumber(size))
  elseif redis.call('hget', KEYS[4], 'beyond') == id then
    redis.call('hdel', KEYS[4], 'beyond')
  end
end
if redis.call('xlen', KEYS[1]) == 0 then
  redis.call('del', KEYS[4])
  return redis.call('srem', KEYS[3], ARGV[1])
end
return 0
"""

#: Counts a run that begins and has read the event queue: later events are not folded into the events that it has read.
#: Keys: untrusted, folds, attempts. Argument: token of the run; a second call with the same token counts nothing.
#: Returns the number of runs begun since the last one with an outcome.
BEGIN_RUN = """
redis.call('hdel', KEYS[1], 'beyond')
redis.call('del', KEYS[2])
if redis.call('hget', KEYS[3], 'begun') == ARGV[1] then
  return tonumber(redis.call('hget', KEYS[3], 'starts') or '0')
end
redis.call('hset', KEYS[3], 'begun', ARGV[1])
return redis.call('hincrby', KEYS[3], 'starts', 1)
"""

#: Claims a queue for a backend, or renews the claim. Keys: backend, register of queues, servers. Arguments: id, class,
#: code, place, life of the claim in ms, id of the server (nothing for other processes), name of the queue.
#: A claim that would last longer than its life was made before the clock was set back: it lasts for its life from now
#: on. As processes may have different lives, the life of `until` and that of each server are stored.
#: Returns nothing, or id, class, code and place of another backend that owns the queue, if its claim has not expired
#: or its class or code differs.
CLAIM_QUEUE = """
local owner = redis.call('hmget', KEYS[1], 'id', 'class', 'code', 'place', 'until', 'life')
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expires = string.format('%.0f', now + tonumber(ARGV[5]))
for _, server in ipairs(redis.call('zrangebyscore', KEYS[3], '(' .. expires, '+inf')) do
  local latest = now + tonumber(redis.call('hget', KEYS[1], 'life:' .. server) or ARGV[5])
  if tonumber(redis.call('zscore', KEYS[3], server)) > latest then
    redis.call('zadd', KEYS[3], string.format('%.0f', latest), server)
  end
end
local valid_until = math.min(tonumber(owner[5] or '0'), now + tonumber(owner[6] or ARGV[5]))
if valid_until < tonumber(owner[5] or '0') then
  redis.call('hset', KEYS[1], 'until', string.format('%.0f', valid_until))
end
if owner[1] and owner[1] ~= ARGV[1] then
  local same = owner[2] == ARGV[2] and owner[3] == ARGV[3]
  if not same or valid_until > now then return {owner[1], owner[2], owner[3], owner[4]} end
  redis.call('del', KEYS[1], KEYS[3])
  owner[1], valid_until = false, 0
end
if ARGV[6] ~= '' or not owner[1] then
  redis.call('hset', KEYS[1], 'class', ARGV[2], 'code', ARGV[3], 'place', ARGV[4])
end
if ARGV[6] ~= '' then
  redis.call('zadd', KEYS[3], expires, ARGV[6])
  redis.call('hset', KEYS[1], 'life:' .. ARGV[6], ARGV[5])
end
redis.call('hset', KEYS[1], 'id', ARGV[1])
if valid_until <= tonumber(expires) then redis.call('hset', KEYS[1], 'until', expires, 'life', ARGV[5]) end
redis.call('hset', KEYS[2], ARGV[7], ARGV[1])
return false
"""

#: Removes a server of a backend, and lets the claim expire if no server and no worker of the backend is left.
#: Keys: backend, servers. Arguments: id of the backend, id of the server (nothing if another process ends), 1 if a
#: worker is running. Returns 1 if the claim has expired, else 0.
RELEASE_QUEUE = """
if redis.call('hget', KEYS[1], 'id') ~= ARGV[1] then return 0 end
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('zadd', KEYS[2], 0, ARGV[2])
for _, gone in ipairs(redis.call('zrangebyscore', KEYS[2], '-inf', string.format('%.0f', now))) do
  redis.call('zrem', KEYS[2], gone)
  redis.call('hdel', KEYS[1], 'life:' .. gone)
end
if ARGV[3] == '1' or redis.call('zcard', KEYS[2]) > 0 then return 0 end
redis.call('hset', KEYS[1], 'until', 0)
return 1
"""

#: Adds errors to the groups of the backend, as `error_groups.merged` does, and removes the oldest groups beyond the
#: limit. The first key is a hash of ids and JSON, the second a sorted set of ids
#: by the time of the latest error. Arguments: the limits of groups and of task ids in a group, then the groups as JSON.
#: Empty lists are left out: Lua writes them as objects.
MERGE_ERRORS = """
local most_tasks = tonumber(ARGV[2])
for number = 3, #ARGV do
  local group = cjson.decode(ARGV[number])
  local stored = redis.call('hget', KEYS[1], group.id)
  if stored then
    local older = cjson.decode(stored)
    local count, first = (group.count or 1) + (older.count or 1), math.min(group.first, older.first)
    if older.last > group.last then group, older = older, group end
    group.count, group.first = count, first
    local tasks, seen = {}, {}
    for _, list in ipairs({group.tasks or {}, older.tasks or {}}) do
      for _, task in ipairs(list) do
        if not seen[task] and #tasks < most_tasks then
          seen[task] = true
          tasks[#tasks + 1] = task
        end
      end
    end
    group.tasks = #tasks > 0 and tasks or nil
  end
  redis.call('hset', KEYS[1], group.id, cjson.encode(group))
  redis.call('zadd', KEYS[2], string.format('%.0f', group.last), group.id)
end
local beyond = redis.call('zcard', KEYS[2]) - tonumber(ARGV[1])
if beyond > 0 then
  for _, id in ipairs(redis.call('zrange', KEYS[2], 0, beyond - 1)) do
    redis.call('hdel', KEYS[1], id)
    redis.call('zrem', KEYS[2], id)
  end
end
return redis.call('zcard', KEYS[2])
"""
