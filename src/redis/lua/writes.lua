--[[
Brackets what a script writes. Precedes the scripts that count events (see scripts.ts).

The writes of a script take effect together, except after one fault of the server: a crash cuts the append-only file
inside a script's writes, and a later restart executes the first half of them once more (append-only-file.ts).
Therefore a script first writes `begun`, and `ended` last. Whatever part of the writes is executed twice, the two
numbers differ from then on, and no invoices are issued from such a shard (find-double-counts.ts).

An error in the middle would leave the first half of the writes, because Redis does not roll back. Redis itself refuses
a first write that it has no memory for, or cannot persist, and never a later one. A right that the user lacks is
refused at any command, so the rights are checked first. If an error still leaves a half, the numbers differ, and the
next call of a script refuses the shard.
]]

-- Returns an answer if earlier writes of the shard were begun and not ended.
local function checkEnded(key)
  local begun, ended = unpack(redis.call('HMGET', key, 'begun', 'ended'))
  if begun ~= ended then
    return { 'TORN', (begun or '0') .. ' writes began, ' .. (ended or '0') .. ' ended' }
  end
end

-- Raises an error if the user lacks a right that the scripts that count need. A stem stands for
-- its keys.
local function checkRights(cursorKey, totalsStem, dailyStem, projectsStem, idsStem, writesKey)
  local rights = {
    { cursorKey, 'HSET' },
    { totalsStem, 'HINCRBY', 'HGET', 'HDEL' },
    { dailyStem, 'HINCRBY', 'HGET', 'HDEL' },
    { projectsStem, 'SADD', 'SREM' },
    { idsStem, 'GET', 'SET', 'APPEND', 'HSET' },
    { writesKey, 'HINCRBY', 'HDEL', 'HSET' },
  }
  local mayRun = redis.acl_check_cmd -- Absent in Redis before 7.
  for _, ofKey in ipairs(mayRun and rights or {}) do
    for i = 2, #ofKey do
      if not mayRun(ofKey[i], ofKey[1]) then
        error({ err = 'NOPERM this user may not run ' .. ofKey[i] .. ' on ' .. ofKey[1] })
      end
    end
  end
end

local function beginWrites(key)
  redis.call('HINCRBY', key, 'begun', 1)
end

local function endWrites(key)
  redis.call('HINCRBY', key, 'ended', 1)
end

-- Called after everything else was taken back. Leaves the key as if nothing had been begun.
local function takeBackBegun(key)
  if redis.call('HINCRBY', key, 'begun', -1) == 0 then
    redis.call('HDEL', key, 'begun')
  end
end
