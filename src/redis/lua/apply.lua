--[[
Applies one chunk of one topic's rated events to one shard: whole, or not at all.

KEYS  all contain the shard's hash tag. 3 to 6 are stems: the script appends the rest, which depends on what it reads
      from KEYS[2]. On a Redis Cluster this is safe, because a key's slot depends on its hash tag alone. While the slot
      moves, a part of its keys is on another node. The stems name keys that never exist, so both nodes then answer
      TRYAGAIN to every call, and the partition waits. If all named keys existed, a node would run the script without
      the unnamed ones that it lacks.
  1  cursor    hash: lane -> next offset to apply
  2  closed    hash: frozen month -> JSON of lane -> next offset at the freeze
  3  totals    .. <month>:<project>    hash: [<late month>@]<meter> -> integer
  4  daily     .. <month>:<project>    hash: <day>/<meter> -> integer
  5  projects  .. <month>              set of projects
  6  ids       .. <period>                    hash: topic -> how many
               .. <period>:<topic>:<segment>  string of fingerprints
  7  writes    hash: begun, ended -> integer, see writes.lua; epoch:<topic> -> epoch@cursor, see epochs.lua

ARGV
  1  topic
  2  from      the first offset of the chunk
  3  next      the offset after its last one
  4  period, 5 period before, 6 and 7 number of ids in each: what the chunk was compared with, see agreeOnIds
  8  fingerprints  of the events that the chunk adds, 8 bytes each, without duplicates
  9  usages    the sums of these events as JSON, see readUsages
 10  closed    the latest closed month that the sender has seen; empty if there is none
 11  epoch     the leader epoch of the chunk's records; -1 if it is not known
 12  follows   a leader epoch that the log holds up to `from`; empty if the sender has not asked
 13  lane      the partition of the topic, see lanes.ts; the topic itself if absent
 14  last, 15 mark  for ids that several consumers add to, see ids.lua

Answers
  APPLIED [count]   how many ids of the open period are stored now, if several consumers add to them
  ALREADY_APPLIED cursor | OVERLAP cursor | GAP cursor | UNINITIALISED
  EPOCH epoch       the record before `from` was counted in this epoch: ask the log whether it holds it, and send again
  UNFROZEN month    the shard has lost the freeze of that closed month: restore it and send again
  SPLIT offset      a month was frozen at this offset, inside the chunk: send the two parts
  BEHIND lane       another partition has to reach its freeze first: send again later
  IDS period before ownCount previousCount    the ids are different: read them and send again
  REJECTED detail   malformed, or a total would pass 2^63-1
  TORN detail       earlier writes of the shard were begun and not ended, see writes.lua
Only APPLIED writes. An error that Redis itself raises (OOM, READONLY, MISCONF, NOPERM, WRONGTYPE ...) is passed on, and
nothing is written then either. If a Redis before 7 denies a command in the middle, the next answer is TORN.

Amounts are decimal strings. Those in ARGV are at most 2^53 - 1 (see pack-chunk.ts), so that Lua's numbers are exact.
The totals may be larger, and are changed by HINCRBY only.
]]
local cursorKey, closedKey = KEYS[1], KEYS[2]
local totalsStem, dailyStem, projectsStem, idsStem, writesKey = KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local topic, from, upto = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local lane = ARGV[13] or topic
local ZERO, MONTH_LENGTH = 48, 7

local function reject(detail)
  error({ rejected = detail })
end

--[[
What a chunk adds: two lists { totals, daily }. Each has a list { '<month>:<project>', field, sum, field, sum ... }
per project. Sums are strings: cjson reads a string in half the time of a number, and HINCRBY takes strings.
]]
local function readUsages(text)
  local read, usages = pcall(cjson.decode, text)
  if not read or type(usages) ~= 'table' or type(usages[1]) ~= 'table' or type(usages[2]) ~= 'table' then
    reject('usages are not two lists')
  end
  return usages[1], usages[2]
end

-- The two lists, how many of their sums this call has added so far, and the projects it has added
-- (project, key ...).
local totals, daily
local hasBegun, hasAdded, addedSums, joined = false, false, 0, {}

local function increment(stem, list)
  for i = 1, #list do
    local ofProject = list[i]
    local key = stem .. ofProject[1]
    for j = 2, #ofProject, 2 do
      local field, sum = ofProject[j], ofProject[j + 1]
      -- A sign is the only thing that HINCRBY would accept and we do not.
      if type(sum) ~= 'string' or byte(sum) <= ZERO or #sum > 16 then
        reject('the sum of ' .. field .. ' is not a positive integer')
      end
      local total = call('HINCRBY', key, field, sum)
      addedSums = addedSums + 1
      -- Only if void.lua has taken late usage below zero. A zero is never stored, because undo
      -- could not tell what was new.
      if total == 0 then
        call('HDEL', key, field)
      end
      -- If the project is new in this month, so is its first field.
      if j == 2 then
        ofProject.isNew = total == tonumber(sum)
      end
    end
  end
end

local function addProjects(totals)
  for i = 1, #totals do
    if totals[i].isNew then
      local key = projectsStem .. sub(totals[i][1], 1, MONTH_LENGTH)
      local project = sub(totals[i][1], MONTH_LENGTH + 2)
      if call('SADD', key, project) == 1 then
        joined[#joined + 1] = project
        joined[#joined + 1] = key
      end
    end
  end
end

local function decrement(stem, list)
  for i = 1, #list do
    local key = stem .. list[i][1]
    for j = 2, #list[i], 2 do
      if addedSums == 0 then
        return
      end
      addedSums = addedSums - 1
      call('HINCRBY', key, list[i][j], '-' .. list[i][j + 1])
      if call('HGET', key, list[i][j]) == '0' then
        call('HDEL', key, list[i][j]) -- A zero is never stored, so the field was new.
      end
    end
  end
end

-- Redis does not roll back. This undoes in the order of adding, and leaves every key as it was.
local function undo()
  for i = 1, #joined, 2 do
    call('SREM', joined[i + 1], joined[i])
  end
  if addedSums > 0 then
    decrement(totalsStem, totals)
    decrement(dailyStem, daily)
  end
  if hasBegun then
    takeBackBegun(writesKey)
  end
end

local function applyChunk(ids)
  local fingerprints = ARGV[8]
  if #fingerprints % ID_BYTES ~= 0 then
    reject('fingerprints are not ' .. ID_BYTES .. ' bytes per event')
  end
  local damage = checkIds(ids)
  if damage then
    reject(damage)
  end
  totals, daily = readUsages(ARGV[9])
  checkRights(cursorKey, totalsStem, dailyStem, projectsStem, idsStem, writesKey)
  beginWrites(writesKey)
  hasBegun = true
  increment(totalsStem, totals)
  increment(dailyStem, daily)
  addProjects(totals)
  -- This cannot fail any more: the keys were read above, and the rights were checked. If it does,
  -- ids may be stored, so nothing is undone, and the shard is torn.
  hasAdded = true
  addIds(ids, fingerprints)
  call('HSET', cursorKey, lane, ARGV[3])
  storeEpoch(writesKey, lane, ARGV[11], ARGV[3])
  endWrites(writesKey)
end

local cursor = call('HGET', cursorKey, lane)
if not cursor then
  return { 'UNINITIALISED' }
end
local at = tonumber(cursor)
if not (at and from and upto) then
  return { 'REJECTED', 'cursor ' .. cursor .. ' or range ' .. ARGV[2] .. ' to ' .. ARGV[3] .. ' is not an offset' }
end
if upto <= at then
  return { 'ALREADY_APPLIED', cursor }
end
if from < at then
  return { 'OVERLAP', cursor }
end
if from > at then
  return { 'GAP', cursor }
end

local otherEpoch = checkEpoch(writesKey, lane, cursor, ARGV[11], ARGV[12])
if otherEpoch then
  return otherEpoch
end
local torn = checkEnded(writesKey)
if torn then
  return torn
end

local knownClosed = ARGV[10]
if knownClosed and knownClosed ~= '' and call('HEXISTS', closedKey, knownClosed) == 0 then
  return { 'UNFROZEN', knownClosed }
end

local open, openBefore, splitAt, behind = findOpenMonth(closedKey, cursorKey, topic, lane, from, upto)
if behind then
  return { 'BEHIND', behind }
end
if splitAt then
  return { 'SPLIT', string.format('%.0f', splitAt) }
end
local shared = isShared(cursorKey, topic) and { last = ARGV[14], fingerprints = ARGV[8], mark = ARGV[15] }
local ids, others = agreeOnIds(idsStem, topic, open, openBefore, ARGV[4], ARGV[5], ARGV[6], ARGV[7], shared)
if not ids then
  return others
end

local applied, problem = pcall(applyChunk, ids)
if applied then
  return { 'APPLIED', shared and ids.count or nil }
end
if not hasAdded then
  undo()
end
if type(problem) == 'table' and problem.rejected then
  return { 'REJECTED', problem.rejected }
end
local text = type(problem) == 'table' and problem.err or tostring(problem)
if string.find(text, 'would overflow', 1, true) then
  return { 'REJECTED', 'a total would pass 2^63-1' }
end
return redis.error_reply(text)
