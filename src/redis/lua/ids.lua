--[[
The dedup index in Redis: the ids that a shard has counted of a topic in one dedup window. It is a log of fingerprints
of 8 bytes, in the order of counting, cut into segments. This file precedes the scripts that count events (see
scripts.ts).

No script looks up an id. The sender holds the same ids in memory (dedup-index.ts), leaves out duplicates itself, and
states what it compared with: the windows, and the number of ids in each. If Redis holds others, the script answers IDS
and writes nothing. Ids are only added together with a move of the cursor, and the log gives them in one order. So if
window, number and cursor are equal, the ids are equal.

If the shard counts several partitions of the topic (see lanes.ts), their consumers add to the same ids, and the log no
longer gives them in one order. Then every addition ends with a mark: 8 random bytes from its sender. A sender also
states the last 8 bytes that it holds. If Redis has them at the same place, everything before is equal, whatever Redis
has lost in between. What others added since must only be different from what the sender adds.
]]
local ID_BYTES = 8
-- With the overhead of strings and of memory allocation, a segment takes up 64 KiB at most: see
-- dedup-index.ts.
local IDS_PER_SEGMENT = 8190

local call, byte, sub, tonumber = redis.call, string.byte, string.sub, tonumber

local function segmentKey(ids, segment)
  return string.format('%s:%s:%08d', ids.key, ids.topic, segment)
end

-- More ids than this are not searched: the sender reads them.
local SEARCHED_MAX = 2 * IDS_PER_SEGMENT

-- Whether the shard counts several partitions of a topic.
local function isShared(cursorKey, topic)
  for _, lane in ipairs(call('HKEYS', cursorKey)) do
    if sub(lane, 1, #topic + 1) == topic .. '/' then
      return true
    end
  end
  return false
end

local function openIds(idsStem, period, topic)
  local key = idsStem .. period
  return { key = key, topic = topic, count = tonumber(call('HGET', key, topic) or 0) }
end

-- Whether the first `count` ids are those that the sender holds.
local function isHeld(ids, count, last)
  if count == 0 or count > ids.count then
    return count == 0
  end
  local at = (count - 1) % IDS_PER_SEGMENT
  local key = segmentKey(ids, (count - 1 - at) / IDS_PER_SEGMENT)
  return call('GETRANGE', key, at * ID_BYTES, (at + 1) * ID_BYTES - 1) == last
end

-- Whether any of the ids after the first `count` is among the fingerprints.
local function hasAny(ids, count, fingerprints)
  local searched = {}
  for i = 1, #fingerprints, ID_BYTES do
    searched[sub(fingerprints, i, i + ID_BYTES - 1)] = true
  end
  local segment = math.floor(count / IDS_PER_SEGMENT)
  while segment * IDS_PER_SEGMENT < ids.count do
    local text = call('GET', segmentKey(ids, segment)) or ''
    local first = math.max(0, count - segment * IDS_PER_SEGMENT)
    for i = first * ID_BYTES + 1, #text, ID_BYTES do
      if searched[sub(text, i, i + ID_BYTES - 1)] then
        return true
      end
    end
    segment = segment + 1
  end
  return false
end

--[[
Like agreeOnIds, for ids that several consumers add to.
  last  the last 8 bytes that the sender holds of its open period, then those of the one before
The answer IDS ends with two flags: whether the sender holds the first ids of each period, and only lacks later ones.
]]
local function agreeOnSharedIds(own, previous, isSamePeriod, ownCount, previousCount, last, fingerprints)
  local ownHeld = isSamePeriod and isHeld(own, ownCount, sub(last, 1, ID_BYTES))
  local previousHeld = isSamePeriod and isHeld(previous, previousCount, sub(last, ID_BYTES + 1))
  if
    ownHeld
    and previousHeld
    and previousCount == previous.count
    and own.count - ownCount <= SEARCHED_MAX
    and (own.count == ownCount or fingerprints == '' or not hasAny(own, ownCount, fingerprints))
  then
    return own
  end
  return nil, ownHeld and 1 or 0, previousHeld and 1 or 0
end

--[[
Returns the ids that an event at this offset is compared with, if the sender used the same; otherwise nil and an answer.
  open, openBefore            see findOpenMonth
  period, before              the sender's open period and the one before; '' for none
  ownCount, previousCount     how many ids of each the sender holds
  shared                      nil, or { last, fingerprints, mark } if several consumers add to the ids
]]
local function agreeOnIds(idsStem, topic, open, openBefore, period, before, ownCount, previousCount, shared)
  local openPeriod = open or 'first'
  local periodBefore = open and (openBefore or 'first') or ''
  local own = openIds(idsStem, openPeriod, topic)
  local previous = periodBefore == '' and { count = 0 } or openIds(idsStem, periodBefore, topic)
  local answer = { 'IDS', openPeriod, periodBefore, own.count, previous.count }
  if shared then
    local isSamePeriod = period == openPeriod and before == periodBefore
    local ids, ownHeld, previousHeld = agreeOnSharedIds(
      own,
      previous,
      isSamePeriod,
      tonumber(ownCount),
      tonumber(previousCount),
      shared.last,
      shared.fingerprints
    )
    if ids then
      ids.mark = shared.mark
      return ids
    end
    answer[6], answer[7] = ownHeld, previousHeld
    return nil, answer
  end
  if
    period == openPeriod
    and before == periodBefore
    and tonumber(ownCount) == own.count
    and tonumber(previousCount) == previous.count
  then
    return own
  end
  return nil, answer
end

-- Whether as many ids are stored as were counted. Called before the first write, so that adding
-- cannot fail after it.
local function checkIds(ids)
  local inSegment = ids.count % IDS_PER_SEGMENT
  local length = call('STRLEN', segmentKey(ids, (ids.count - inSegment) / IDS_PER_SEGMENT))
  if length ~= inSegment * ID_BYTES then
    return 'the ids of ' .. ids.topic .. ' are damaged: ' .. ids.count .. ' were counted'
  end
end

local function addIds(ids, fingerprints)
  local at = 1
  if ids.mark and fingerprints ~= '' then
    fingerprints = fingerprints .. ids.mark
  end
  while at <= #fingerprints do
    local inSegment = ids.count % IDS_PER_SEGMENT
    local key = segmentKey(ids, (ids.count - inSegment) / IDS_PER_SEGMENT)
    local part = sub(fingerprints, at, at + (IDS_PER_SEGMENT - inSegment) * ID_BYTES - 1)
    local added = #part / ID_BYTES
    if inSegment + added == IDS_PER_SEGMENT then
      -- Written whole, because a string that was appended to reserves as much space again.
      call('SET', key, (call('GET', key) or '') .. part)
    else
      call('APPEND', key, part)
    end
    ids.count = ids.count + added
    at = at + #part
  end
  if at > 1 then
    call('HSET', ids.key, ids.topic, string.format('%.0f', ids.count))
  end
end
