--[[
Brackets what a script writes. Precedes the scripts that count events (see scripts.ts).

The writes of a script take effect together, except after one fault of the server: a crash cuts the append-only file
inside a script's writes, and a later restart executes the first half of them once more (append-only-file.ts).
Therefore a script first writes `begun`, and `ended` last. Whatever part of the writes is executed twice, the two
numbers differ from then on, and no invoices are issued from such a shard (find-double-counts.ts).
]]
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
