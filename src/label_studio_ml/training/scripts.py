"""The steps on a project's keys that must happen whole or not at all, as scripts that Redis runs.

redis-py may send a command again whose answer got lost: each of these may run twice and leaves the same, but for one
number (`STORE`).
"""

#: Keeps an event and names the job that will take it in; for a token that is known it only says which job that is.
#: What the next run waits for (the hold) is counted down; the button ends it.
#: An event without login has a digest of what it says: while one with that digest waits, it is folded into that.
#: Where too many of its project wait, or it is too long itself, one event stands for all that come from then on: that
#: one goes to the mailbox's end and counts one more each time. No token is kept of an event that was folded or counted
#: so: anybody may send any number of them, and each token would take memory. One that is sent again because its answer
#: was lost is folded again, or counted twice.
#: Keys: token, mailbox, payloads, dirty, waiting, hold, jobs, backend, untrusted, folds. Arguments: project, id for a
#: new job, action, number of annotations, event, life of the token in s, time, prefix of jobs' keys; of the backend
#: that the job is for: id (nothing where the broker is its own), class and code; the digest (nothing for an event with
#: login), the event that stands for those beyond the limits, how many events and bytes may wait, 1 if it is too long;
#: who sent the event (nothing without a login). That is noted with the event and in the job's record, where whoever
#: asked for the training comes before others.
#: Returns the job's id, 1 if it is new, 1 if a worker is to be woken; nothing where the queue is another backend's.
STORE = """
if ARGV[9] ~= '' then
  local owner = redis.call('hget', KEYS[8], 'id')
  if owner and owner ~= ARGV[9] then return {} end
end
local known = redis.call('get', KEYS[1])
if known then
  return {known, 0, redis.call('get', KEYS[5]) == known and 1 or 0}
end
local action, count, event, life = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local beyond = false
if ARGV[12] ~= '' then
  local folded = redis.call('get', KEYS[5])
  if folded and redis.call('hexists', KEYS[10], ARGV[12]) == 1 then return {folded, 0, 0} end
  local held = redis.call('hmget', KEYS[9], 'events', 'bytes', 'beyond')
  beyond = ARGV[16] == '1' or tonumber(held[1] or '0') >= tonumber(ARGV[14])
    or tonumber(held[2] or '0') + #event > tonumber(ARGV[15])
  if beyond then
    action, event, life = 'ANNOTATIONS_CREATED', ARGV[13], ''
    local before = held[3] and redis.call('xrange', KEYS[2], held[3], held[3]) or {}
    if #before == 1 then
      count = count + tonumber(before[1][2][4])
      event = redis.call('hget', KEYS[3], held[3]) or event
      redis.call('xdel', KEYS[2], held[3])
      redis.call('hdel', KEYS[3], held[3])
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

#: Names the job that a worker is woken for. Keys: waiting, lease, mailbox, dirty. Arguments: id for a new job,
#: project.
#: Returns the job's id; nothing where none waits and a worker trains the project (it looks again when it ends), or has
#: trained it on all events since the caller looked: then it is not dirty either.
NEXT = """
local job = redis.call('get', KEYS[1])
if not job and redis.call('xlen', KEYS[3]) == 0 then
  redis.call('srem', KEYS[4], ARGV[2])
elseif not job and redis.call('exists', KEYS[2]) == 0 then
  job = ARGV[1]
  redis.call('set', KEYS[1], job)
end
return job
"""

#: Lets a project wait. Its job goes back to be the next one; where a newer one is that already, the job ends.
#: Keys: waiting, hold, mailbox, job. Arguments: job id, text, have, need or nothing, at or nothing, code, id of the
#: last event that was looked at, time, prefix of jobs' keys, who asked for the training (nothing if nobody is known).
#: `since` is when that was, by the clock that `at` is of.
#: Returns 1, or 0 if more events have come since: then it has to be decided anew.
HOLD = """
local message = string.gsub(ARGV[2], '{have}', ARGV[3])
local waiting = redis.call('get', KEYS[1])
if waiting and waiting ~= ARGV[1] then
  redis.call('hset', KEYS[4], 'state', 'finished', 'ended', ARGV[8], 'message', message .. '; see job ' .. waiting)
  redis.call('hset', ARGV[9] .. waiting, 'message', message)
else
  redis.call('set', KEYS[1], ARGV[1])
  redis.call('hset', KEYS[4], 'state', 'queued', 'message', message)
  redis.call('hdel', KEYS[4], 'started')
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

#: Takes a turn that ends by itself. Key: the turn's. Argument: its life in ms. Returns 1 if it was free.
#: One that would last longer than a whole turn was taken before the clock was set back: it is free.
TURN = """
local left = redis.call('pttl', KEYS[1])
if left ~= -2 and left <= tonumber(ARGV[1]) then return 0 end
redis.call('set', KEYS[1], 1, 'px', ARGV[1])
return 1
"""

#: Tells whether somebody holds a lease. Key: lease. Argument: life in ms of a lease that does not say its own.
#: Returns 1 if so. One that would live longer was taken before the clock was set back. It lives for its own life from
#: now on: whoever holds it renews it in that time, and nobody does if its worker was killed.
HELD = """
local left = redis.call('pttl', KEYS[1])
local life = string.match(redis.call('get', KEYS[1]) or '', ':(%d+)$') or ARGV[1]
if left > tonumber(life) then redis.call('pexpire', KEYS[1], life) end
return left == -2 and 0 or 1
"""

#: Ends what a version made due, unless another one has since. Key: afresh. Arguments: project, id of the version.
#: Returns 1 if the project is not due any more.
DONE = """
local due = redis.call('hget', KEYS[1], ARGV[1])
if due and due ~= ARGV[2] then return 0 end
redis.call('hdel', KEYS[1], ARGV[1])
return 1
"""

#: Removes events from a mailbox, and its project from the dirty set if no event is left. Keys: mailbox, payloads, dirty
#: set, untrusted, folds. Arguments: project, ids of events. No later event is folded into one that is removed. A Redis
#: without memory counts nothing, and removes them all the same; the count is right again when the mailbox is empty.
REMOVE = """
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

#: Counts a run that begins, and lets no later event count as the same as one that waits now: it has read these.
#: Keys: untrusted, folds, attempts. Returns the count.
BEGIN = """
redis.call('hdel', KEYS[1], 'beyond')
redis.call('del', KEYS[2])
return redis.call('hincrby', KEYS[3], 'starts', 1)
"""

#: Takes a queue for a backend, or says again that it uses it. Keys: backend, register of queues, servers. Arguments:
#: id, class, code, place, life in ms, id of the server that says so (nothing if none does), name of the queue.
#: Who would count as running for longer than its life was heard of before the clock was set back: for its life from now
#: on. Servers may have other lives than this one: each one's is kept, and beside `until` the life that it is of.
#: Returns nothing, or id, class, code and place of the backend that has it: one that is running, or another model.
CLAIM = """
local known = redis.call('hmget', KEYS[1], 'id', 'class', 'code', 'place', 'until', 'life')
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life = string.format('%.0f', now + tonumber(ARGV[5]))
for _, ahead in ipairs(redis.call('zrangebyscore', KEYS[3], '(' .. life, '+inf')) do
  local most = now + tonumber(redis.call('hget', KEYS[1], 'life:' .. ahead) or ARGV[5])
  if tonumber(redis.call('zscore', KEYS[3], ahead)) > most then
    redis.call('zadd', KEYS[3], string.format('%.0f', most), ahead)
  end
end
local heard = math.min(tonumber(known[5] or '0'), now + tonumber(known[6] or ARGV[5]))
if heard < tonumber(known[5] or '0') then
  redis.call('hset', KEYS[1], 'until', string.format('%.0f', heard))
end
if known[1] and known[1] ~= ARGV[1] then
  local same = known[2] == ARGV[2] and known[3] == ARGV[3]
  if not same or heard > now then return {known[1], known[2], known[3], known[4]} end
  redis.call('del', KEYS[1], KEYS[3])
  known[1], heard = false, 0
end
if ARGV[6] ~= '' or not known[1] then
  redis.call('hset', KEYS[1], 'class', ARGV[2], 'code', ARGV[3], 'place', ARGV[4])
end
if ARGV[6] ~= '' then
  redis.call('zadd', KEYS[3], life, ARGV[6])
  redis.call('hset', KEYS[1], 'life:' .. ARGV[6], ARGV[5])
end
redis.call('hset', KEYS[1], 'id', ARGV[1])
if heard <= tonumber(life) then redis.call('hset', KEYS[1], 'until', life, 'life', ARGV[5]) end
redis.call('hset', KEYS[2], ARGV[7], ARGV[1])
return false
"""

#: Counts one server of a backend out, and gives the queue free where no server of that backend is left. Keys: backend,
#: servers. Arguments: id of the backend, of the server (nothing if it is none that ends), 1 if a worker is still there.
RELEASE = """
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
