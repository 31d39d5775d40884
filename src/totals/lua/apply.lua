--[[
Applies one chunk of one topic's rated events to one shard: whole, or not at all.

KEYS  all hold the shard's hash tag. 3 to 6 are stems: the script appends the rest, which it cannot know before it
      has read KEYS[2]. On a Redis Cluster that is sound, because a key's slot depends on its hash tag alone.
  1  cursor    hash: topic -> next offset to apply
  2  closed    hash: frozen month -> JSON of topic -> next offset at the freeze
  3  totals    .. <month>:<project>    hash: [<late month>@]<meter> -> integer
  4  daily     .. <month>:<project>    hash: <day>/<meter> -> integer
  5  projects  .. <month>              set of projects
  6  ids       .. <period>             hash: buckets, count
               .. <period>:<bucket>    set of fingerprints

ARGV
  1  topic
  2  from      first offset that the chunk answers for
  3  next      the offset after its last
  4  fingerprints  19 digits an event, without separators; of two alike that of the lower offset first
  5  usages    JSON, see readUsages: what the chunk adds if no event is a duplicate
  6  events    see withoutDuplicates: what each event adds. Read only of duplicates
  7  closed    the latest month that the sender knows to be closed; empty or absent if it knows of none

Answers
  APPLIED counted duplicates late
  ALREADY_APPLIED cursor | OVERLAP cursor | GAP cursor | UNINITIALISED
  UNFROZEN month    the shard has lost the freeze of that closed month: put it back and send again. Nothing was written
  SPLIT offset      a month was frozen at this offset, inside the chunk: send the two parts. Nothing was written
  REJECTED detail   malformed, or a total would pass 2^63-1. Nothing was written
An error that Redis itself raises (OOM, READONLY, MISCONF, WRONGTYPE ...) is passed on. Nothing was written then either,
unless the error came from splitting buckets, after all the rest: then the chunk is ALREADY_APPLIED when it comes again.

Amounts are decimal strings, or Lua numbers up to 2^53 - 1, which are exact: pack-chunk.ts sees to it that no line of a
chunk sums up to more. The totals themselves, which may be larger, are only ever touched by HINCRBY.
]]
local FINGERPRINT_DIGITS = 19
local MAX_EXACT = 9007199254740991

local cursorKey, closedKey = KEYS[1], KEYS[2]
local totalsStem, dailyStem, projectsStem, idsStem = KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local topic, from, upto = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function reject(detail)
  error({ rejected = detail })
end

--[[
The usages of a chunk, added up by line. Numbers stand as strings: cjson reads a string in half the time of a number.
  fields  { name, month, day, meter ... }
  lines   { project, name of the field, sum ... }
  months  { month, number of its events ... }, this number as a number
]]
local function readUsages(text, eventCount)
  local read, usages = pcall(cjson.decode, text)
  if not read or type(usages) ~= 'table' then
    reject('usages are no JSON object')
  end
  local counted, months = 0, usages.months
  if type(usages.fields) ~= 'table' or type(usages.lines) ~= 'table' or type(months) ~= 'table' then
    reject('usages lack a list')
  end
  for i = 1, #months, 2 do
    counted = counted + months[i + 1]
  end
  if counted ~= eventCount then
    reject('months count ' .. counted .. ' events of ' .. eventCount)
  end
  return usages
end

-- What this call has written so far, for undo.
local added, addedTo = {}, {}
local usages, billed
local incremented = 0
local newProjects, joined = {}, {}

-- Fewer calls than ids, as long as neighbours share a bucket; and few enough to pass as arguments.
local MAX_RUN = 1000

-- The last fingerprint of the run from `i` on that lies in one bucket, and that bucket.
local function runOf(ids, hashes, i)
  local level, split = ids.level, ids.split
  local function bucketAt(at)
    local bucket = hashes[at] % level
    return bucket < split and hashes[at] % (level * 4) or bucket
  end
  local bucket, last = bucketAt(i), i
  while hashes[last + 1] and last - i < MAX_RUN and bucketAt(last + 1) == bucket do
    last = last + 1
  end
  return last, bucketKey(ids.stem, bucket)
end

-- Which of a run are in its bucket: 1 or 0 each.
local function areIn(key, list, i, last)
  if i == last then
    return { call('SISMEMBER', key, list[i]) }
  end
  return call('SMISMEMBER', key, unpack(list, i, last))
end

local function noteAdded(key, fingerprint)
  added[#added + 1] = fingerprint
  addedTo[#addedTo + 1] = key
end

-- Adds those of a run that were not seen, and marks the others as seen. Of two alike the first one is added.
local function addRun(key, list, i, last, seen)
  local members, new, isNew = areIn(key, list, i, last), {}, {}
  for j = i, last do
    local fingerprint = list[j]
    if members[j - i + 1] == 1 or isNew[fingerprint] then
      seen[j] = true
    elseif not seen[j] then
      isNew[fingerprint] = true
      new[#new + 1] = fingerprint
    end
  end
  if #new > 0 then
    call('SADD', key, unpack(new))
    for j = 1, #new do
      noteAdded(key, new[j])
    end
  end
end

--[[
Adds every fingerprint that is in neither period, and answers which events are duplicates (nil: none is). pack-chunk.ts
sorts them so that those of one bucket are neighbours, whatever the number of buckets. That saves time, no more: in
another order the runs are shorter.
]]
local function addIds(fingerprints, own, previous)
  local list, hashes, seen = {}, {}, {}
  local count = #fingerprints / FINGERPRINT_DIGITS
  for i = 1, count do
    local last = i * FINGERPRINT_DIGITS
    list[i] = sub(fingerprints, last - FINGERPRINT_DIGITS + 1, last)
    hashes[i] = hashOf(fingerprints, last)
  end
  local i = 1
  while previous and i <= count do
    local last, key = runOf(previous, hashes, i)
    local members = areIn(key, list, i, last)
    for j = i, last do
      seen[j] = members[j - i + 1] == 1 or nil
    end
    i = last + 1
  end
  i = 1
  while i <= count do
    local last, key = runOf(own, hashes, i)
    if last > i + 1 then
      addRun(key, list, i, last, seen)
    else -- Two calls for two: asking first would cost as many.
      for j = i, last do
        if not seen[j] and call('SADD', key, list[j]) == 1 then
          noteAdded(key, list[j])
        else
          seen[j] = true
        end
      end
    end
    i = last + 1
  end
  return next(seen) and seen
end

--[[
Takes the duplicates out of the sums. `text` is, in the order of the fingerprints: nine digits an event, which say where
its part begins, counted from 1; then the parts, each the numbers of its month, of its lines and their quantities, with
a blank between two and a semicolon behind the last:
  month index, then for each of its lines: line index, quantity
]]
local function withoutDuplicates(text, duplicates)
  local lines, months = usages.lines, usages.months
  for i in pairs(duplicates) do
    local start = tonumber(sub(text, i * 9 - 8, i * 9))
    local stop = start and string.find(text, ';', start, true)
    if not stop then
      reject('event ' .. i .. ' has no part')
    end
    local line, month
    for number in string.gmatch(sub(text, start, stop - 1), '%d+') do
      if not month then
        month = number * 2
        months[month] = months[month] - 1
      elseif not line then
        line = number * 3
      else
        local before = tonumber(lines[line])
        lines[line] = before - number
        if before > MAX_EXACT or lines[line] < 0 then
          reject('event ' .. i .. ' does not fit its line')
        end
        line = nil
      end
    end
  end
end

-- Where each field is counted: usage of a month that was no longer open stands in the open month, under its own name.
local function billFields(open)
  local fields, keys = usages.fields, {}
  billed = {}
  for i = 1, #fields, 4 do
    local name, month, day, meter = fields[i], fields[i + 1], fields[i + 2], fields[i + 3]
    local late = open and month < open
    local bill = late and open or month
    keys[bill] = keys[bill] or { totals = {}, daily = {} }
    billed[name] = {
      month = bill,
      totalsField = late and month .. '@' .. meter or meter,
      dailyField = day .. '/' .. meter,
      totalsKeys = keys[bill].totals,
      dailyKeys = keys[bill].daily,
    }
  end
end

local function keysOfLine(i)
  local project, field = usages.lines[i], billed[usages.lines[i + 1]]
  if not field then
    reject('line ' .. i .. ' has no field')
  end
  local totalsKey = field.totalsKeys[project]
  if not totalsKey then
    totalsKey = totalsStem .. field.month .. ':' .. project
    field.totalsKeys[project] = totalsKey
    field.dailyKeys[project] = dailyStem .. field.month .. ':' .. project
  end
  return totalsKey, field.dailyKeys[project], field
end

local function addUsages()
  local lines, met = usages.lines, {}
  for i = 1, #lines, 3 do
    local sum = lines[i + 2]
    if sum ~= 0 then
      local totalsKey, dailyKey, field = keysOfLine(i)
      -- A sign is the one thing that HINCRBY would take and we do not.
      if type(sum) == 'string' and not (byte(sum) > ZERO and #sum <= 16) then
        reject('line ' .. i .. ' has no usable sum')
      end
      local total = call('HINCRBY', totalsKey, field.totalsField, sum)
      incremented = incremented + 1
      local daily = call('HINCRBY', dailyKey, field.dailyField, sum)
      incremented = incremented + 1
      -- Only where void.lua has taken late usage below zero. A zero is never stored, or undo could not tell what was new.
      if total == 0 then
        call('HDEL', totalsKey, field.totalsField)
      end
      if daily == 0 then
        call('HDEL', dailyKey, field.dailyField)
      end
      -- If the project is new in this month, then so is the first field that is met of it.
      if not met[totalsKey] then
        met[totalsKey] = true
        if total == sum + 0 then
          newProjects[#newProjects + 1] = lines[i]
          newProjects[#newProjects + 1] = projectsStem .. field.month
        end
      end
    end
  end
end

local function addProjects()
  for i = 1, #newProjects, 2 do
    local project, key = newProjects[i], newProjects[i + 1]
    if call('SADD', key, project) == 1 then
      joined[#joined + 1] = project
      joined[#joined + 1] = key
    end
  end
end

local function decrement(key, field, sum)
  call('HINCRBY', key, field, '-' .. string.format('%.0f', sum))
  if call('HGET', key, field) == '0' then
    call('HDEL', key, field) -- A zero is never stored, so the field was new.
  end
end

-- Redis does not roll back. This does, and leaves every key as it was.
local function undo()
  for i = 1, #joined, 2 do
    call('SREM', joined[i + 1], joined[i])
  end
  if incremented > 0 then
    local lines, left = usages.lines, incremented
    for i = 1, #lines, 3 do
      if lines[i + 2] ~= 0 and left > 0 then
        local totalsKey, dailyKey, field = keysOfLine(i)
        decrement(totalsKey, field.totalsField, lines[i + 2])
        if left > 1 then
          decrement(dailyKey, field.dailyField, lines[i + 2])
        end
        left = left - 2
      end
    end
  end
  for i = 1, #added do
    call('SREM', addedTo[i], added[i])
  end
end

local function applyChunk(open, openBefore)
  local fingerprints = ARGV[4]
  local eventCount = #fingerprints / FINGERPRINT_DIGITS
  if eventCount % 1 ~= 0 or string.find(fingerprints, '%D') then
    reject('fingerprints are not ' .. FINGERPRINT_DIGITS .. ' digits an event')
  end
  usages = readUsages(ARGV[5], eventCount)
  billFields(open)

  local own = openIds(idsStem, open or 'first')
  local previous = open and openIds(idsStem, openBefore or 'first')
  if previous and previous.count == 0 then
    previous = nil
  end
  local duplicates = addIds(fingerprints, own, previous)
  if duplicates then
    withoutDuplicates(ARGV[6], duplicates)
  end
  addUsages()
  addProjects()

  own.count = own.count + #added
  if #added > 0 then
    noteIds(own)
  end
  call('HSET', cursorKey, topic, ARGV[3])

  local late, months = 0, usages.months
  for i = 1, #months, 2 do
    if open and months[i] < open then
      late = late + months[i + 1]
    end
  end
  return own, { 'APPLIED', #added, eventCount - #added, late }
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

local knownClosed = ARGV[7]
if knownClosed and knownClosed ~= '' and call('HEXISTS', closedKey, knownClosed) == 0 then
  return { 'UNFROZEN', knownClosed }
end

local open, openBefore, splitAt = findOpenMonth(closedKey, topic, from, upto)
if splitAt then
  return { 'SPLIT', string.format('%.0f', splitAt) }
end

local applied, own, answer = pcall(applyChunk, open, openBefore)
if not applied then
  undo()
  local problem = own
  if type(problem) == 'table' and problem.rejected then
    return { 'REJECTED', problem.rejected }
  end
  local text = type(problem) == 'table' and problem.err or tostring(problem)
  if string.find(text, 'would overflow', 1, true) then
    return { 'REJECTED', 'a total would pass 2^63-1' }
  end
  return redis.error_reply(text)
end
-- Last, because it is no part of the chunk: should it fail, all is well and the next chunk tries again.
splitFullBuckets(own)
return answer
