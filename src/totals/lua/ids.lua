-- The ids that a shard has seen. Put in front of the scripts that count events (see commands.ts).
local ZERO = 48 -- The code of the digit.
local ZEROS = ZERO * 11111111
-- On average. A bucket grows to 400 before it is split, and must stay below set-max-intset-entries (512): an integer set
-- takes 9 bytes an id, the hash table that Redis makes of a larger set takes 70.
local IDS_PER_BUCKET = 100

local call, byte, sub, tonumber = redis.call, string.byte, string.sub, tonumber

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
local function openIds(idsStem, period)
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

-- Notes what was added. Splits last, because that is no part of what was asked: should it fail, the next call tries again.
local function noteIds(ids)
  call('HSET', ids.key, 'buckets', bucketCount(ids), 'count', ids.count)
end

local function splitFullBuckets(ids)
  while ids.count > IDS_PER_BUCKET * bucketCount(ids) do
    splitBucket(ids)
  end
end
