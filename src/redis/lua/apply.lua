--[[
Applies one chunk of one topic's rated events to one shard: whole, or not at all.

KEYS  all hold the shard's hash tag. 3 to 6 are stems: the script appends the rest, which it cannot know before it
      has read KEYS[2]. On a Redis Cluster that is sound, because a key's slot depends on its hash tag alone.
  1  cursor    hash: topic -> next offset to apply
  2  closed    hash: frozen month -> JSON of topic -> next offset at the freeze
  3  totals    .. <month>:<project>    hash: [<late month>@]<meter> -> integer
  4  daily     .. <month>:<project>    hash: <day>/<meter> -> integer
  5  projects  .. <month>              set of projects
  6  ids       .. <period>                    hash: topic -> how many
               .. <period>:<topic>:<segment>  string of fingerprints
  7  writes    hash: begun, ended -> integer, see writes.lua

ARGV
  1  topic
  2  from      first offset that the chunk answers for
  3  next      the offset after its last
  4  period, 5 period before, 6 ids known of the one, 7 of the other: what the chunk went by, see agreeOnIds
  8  fingerprints  of the events that the chunk adds, 8 bytes each: none is a repeat
  9  usages    JSON, see readUsages: what these events come to
 10  closed    the latest month that the sender knows to be closed; empty or absent if it knows of none

Answers
  APPLIED
  ALREADY_APPLIED cursor | OVERLAP cursor | GAP cursor | UNINITIALISED
  UNFROZEN month    the shard has lost the freeze of that closed month: put it back and send again. Nothing was written
  SPLIT offset      a month was frozen at this offset, inside the chunk: send the two parts. Nothing was written
  IDS period before ownCount previousCount    the ids are others: get to know them and send again. Nothing was written
  REJECTED detail   malformed, or a total would pass 2^63-1. Nothing was written
An error that Redis itself raises (OOM, READONLY, MISCONF, WRONGTYPE ...) is passed on. Nothing was written then either.

Amounts are decimal strings; of those that are written here none is above 2^53 - 1 (pack-chunk.ts sees to it), so that
Lua's numbers hold them exactly. The totals, which may be larger, are only ever touched by HINCRBY.
]]
local cursorKey, closedKey = KEYS[1], KEYS[2]
local totalsStem, dailyStem, projectsStem, idsStem, writesKey = KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local topic, from, upto = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local ZERO, MONTH_LENGTH = 48, 7

local function reject(detail)
  error({ rejected = detail })
end

--[[
What a chunk adds: lists { totals, daily }, in each of them a list { '<month>:<project>', field, sum, field, sum ... }
for each project. Sums stand as strings: cjson reads a string in half the time of a number, and HINCRBY takes one.
]]
local function readUsages(text)
  local read, usages = pcall(cjson.decode, text)
  if not read or type(usages) ~= 'table' or type(usages[1]) ~= 'table' or type(usages[2]) ~= 'table' then
    reject('usages are no two lists')
  end
  return usages[1], usages[2]
end

-- The two lists; how many of their sums this call has added so far, and the projects it has added
-- (project, key ...).
local totals, daily
local hasBegun, addedSums, joined = false, 0, {}

local function increment(stem, list)
  for i = 1, #list do
    local ofProject = list[i]
    local key = stem .. ofProject[1]
    for j = 2, #ofProject, 2 do
      local field, sum = ofProject[j], ofProject[j + 1]
      -- A sign is the one thing that HINCRBY would take and we do not.
      if type(sum) ~= 'string' or byte(sum) <= ZERO or #sum > 16 then
        reject('the sum of ' .. field .. ' is of no use')
      end
      local total = call('HINCRBY', key, field, sum)
      addedSums = addedSums + 1
      -- Only where void.lua has taken late usage below zero. A zero is never stored, or undo could
      -- not tell what was new.
      if total == 0 then
        call('HDEL', key, field)
      end
      -- If the project is new in this month, then so is the first field that is met of it.
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

-- Redis does not roll back. This does, in the order in which it was added, and leaves every key as
-- it was.
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
    reject('fingerprints are not ' .. ID_BYTES .. ' bytes an event')
  end
  local damage = checkIds(ids)
  if damage then
    reject(damage)
  end
  totals, daily = readUsages(ARGV[9])
  beginWrites(writesKey)
  hasBegun = true
  increment(totalsStem, totals)
  increment(dailyStem, daily)
  addProjects(totals)
  -- Cannot fail any more: both were read above.
  addIds(ids, fingerprints)
  call('HSET', cursorKey, topic, ARGV[3])
  endWrites(writesKey)
end

local cursor = call('HGET', cursorKey, topic)
if not cursor then
  return { 'UNINITIALISED' }
end
local at = tonumber(cursor)
if not (at and from and upto) then
  return { 'REJECTED', 'cursor ' .. cursor .. ' or range ' .. ARGV[2] .. ' to ' .. ARGV[3] .. ' is no offset' }
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

local knownClosed = ARGV[10]
if knownClosed and knownClosed ~= '' and call('HEXISTS', closedKey, knownClosed) == 0 then
  return { 'UNFROZEN', knownClosed }
end

local open, openBefore, splitAt = findOpenMonth(closedKey, topic, from, upto)
if splitAt then
  return { 'SPLIT', string.format('%.0f', splitAt) }
end
local ids, others = agreeOnIds(idsStem, topic, open, openBefore, ARGV[4], ARGV[5], ARGV[6], ARGV[7])
if not ids then
  return others
end

local applied, problem = pcall(applyChunk, ids)
if applied then
  return { 'APPLIED' }
end
undo()
if type(problem) == 'table' and problem.rejected then
  return { 'REJECTED', problem.rejected }
end
local text = type(problem) == 'table' and problem.err or tostring(problem)
if string.find(text, 'would overflow', 1, true) then
  return { 'REJECTED', 'a total would pass 2^63-1' }
end
return redis.error_reply(text)
