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
local ZERO = 48 -- The code of the digit.
local ZEROS = ZERO * 11111111
local MAX_EXACT = 9007199254740991
-- On average. A bucket grows to 400 before it is split, and must stay below set-max-intset-entries (512): an integer set
-- takes 9 bytes an id, the hash table that Redis makes of a larger set takes 70.
local IDS_PER_BUCKET = 100

local cursorKey, closedKey = KEYS[1], KEYS[2]
local totalsStem, dailyStem, projectsStem, idsStem = KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local topic, from, upto = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local call, byte, sub, tonumber = redis.call, string.byte, string.sub, tonumber

local function reject(detail)
  error({ rejected = detail })
end

local function monthAfter(month)
  local year, number = tonumber(sub(month, 1, 4)), tonumber(sub(month, 6))
  if number == 12 then
    return string.format('%04d-01', year + 1)
  end
  return string.format('%04d-%02d', year, number + 1)
end

--[[
Which month was open at `from`: the one after the latest month frozen at or before that offset, nil if none was.
Also the month open before that one, and the first offset inside the chunk where a month was frozen.
By offset and not by "now", so that a replay of the log finds what the first run found. A topic that had no cursor at a
freeze began after it: its freeze lies at 0.
]]
local function findOpenMonth()
  local months, frozenAt = {}, {}
  local closed = call('HGETALL', closedKey)
  for i = 1, #closed, 2 do
    months[#months + 1] = closed[i]
    frozenAt[closed[i]] = closed[i + 1]
  end
  table.sort(months)
  local splitAt
  for i = #months, 1, -1 do
    local offset = cjson.decode(frozenAt[months[i]])[topic] or 0
    if offset <= from then
      return monthAfter(months[i]), months[i - 1] and monthAfter(months[i - 1]), splitAt
    end
    if offset < upto then
      splitAt = offset
    end
  end
  return nil, nil, splitAt
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

-- Bucket numbers are printed by two digits at a time from this table: Lua's own printf takes three times as long.
local PAIRS, TEN = {}, '0123456789'
for i = 0, 9 do
  for j = 0, 9 do
    PAIRS[i * 10 + j] = sub(TEN, i + 1, i + 1) .. sub(TEN, j + 1, j + 1)
  end
end

local function bucketKey(stem, bucket)
  local d = bucket % 100
  bucket = (bucket - d) / 100
  local c = bucket % 100
  bucket = (bucket - c) / 100
  local b = bucket % 100
  return stem .. PAIRS[(bucket - b) / 100] .. PAIRS[b] .. PAIRS[c] .. PAIRS[d]
end

-- Reads the last eight digits byte by byte: a substring would have to be stored first.
local function hashOf(digits, last)
  local a, b, c, d, e, f, g, h = byte(digits, last - 7, last)
  return ((((((a * 10 + b) * 10 + c) * 10 + d) * 10 + e) * 10 + f) * 10 + g) * 10 + h - ZEROS
end

--[[
The ids of a period: fingerprints in buckets, by linear hashing that splits a bucket into four. At a level there are
`level` buckets, a power of four, of which the first `split` are split already. With h = the last eight digits of a
fingerprint, it lies in bucket h mod level, or h mod 4 level if that one is split. (Splitting into four instead of two
reads each id a third as often.)
]]
local function openIds(period)
  local key = idsStem .. period
  local state = call('HMGET', key, 'buckets', 'count')
  local buckets, level = tonumber(state[1] or 1), 1
  while level * 4 <= buckets do
    level = level * 4
  end
  return { key = key, stem = key .. ':', count = tonumber(state[2] or 0), level = level, split = (buckets - level) / 3 }
end

local function bucketOf(ids, hash)
  local bucket = hash % ids.level
  if bucket < ids.split then
    bucket = hash % (ids.level * 4)
  end
  return bucketKey(ids.stem, bucket)
end

local function bucketCount(ids)
  return ids.level + 3 * ids.split
end

local function splitBucket(ids)
  local parts, oldKey = { {}, {}, {}, {} }, bucketKey(ids.stem, ids.split)
  local members = call('SMEMBERS', oldKey)
  for i = 1, #members do
    local hash = hashOf(members[i], #members[i])
    local part = parts[(hash % (ids.level * 4) - ids.split) / ids.level + 1]
    part[#part + 1] = members[i]
  end
  for i = 4, 1, -1 do -- The old bucket last: only then may it be emptied.
    local key = bucketKey(ids.stem, ids.split + (i - 1) * ids.level)
    if i == 1 then
      call('DEL', oldKey)
    end
    if #parts[i] > 0 then
      call('SADD', key, unpack(parts[i]))
    end
  end
  ids.split = ids.split + 1
  if ids.split == ids.level then
    ids.level, ids.split = ids.level * 4, 0
  end
  call('HSET', ids.key, 'buckets', bucketCount(ids))
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
      -- The totals first: they are never less than a day, so they overflow before the daily field is touched.
      local total = call('HINCRBY', totalsKey, field.totalsField, sum)
      incremented = incremented + 1
      call('HINCRBY', dailyKey, field.dailyField, sum)
      incremented = incremented + 1
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

  local own = openIds(open or 'first')
  local previous = open and openIds(openBefore or 'first')
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
    call('HSET', own.key, 'buckets', bucketCount(own), 'count', own.count)
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

local open, openBefore, splitAt = findOpenMonth()
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
while own.count > IDS_PER_BUCKET * bucketCount(own) do
  splitBucket(own)
end
return answer
