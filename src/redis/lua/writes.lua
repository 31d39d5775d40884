--[[
Brackets what a script writes. Put in front of the scripts that count events (see scripts.ts).

All that a script writes takes effect together, except after this fault of the server: a crash cuts the append-only file
inside a script's writes, and a later restart executes the first half of them once more (check-append-only-file.ts). The
first write of a script is therefore `begun`, and its last one is `ended`. Whatever part of the writes is executed twice,
the two numbers differ from then on, and nobody issues invoices from such a shard (find-double-counts.ts).
]]
local function beginWrites(key)
  redis.call('HINCRBY', key, 'begun', 1)
end

local function endWrites(key)
  redis.call('HINCRBY', key, 'ended', 1)
end

-- After everything else was taken back: as if nothing had been begun.
local function takeBackBegun(key)
  if redis.call('HINCRBY', key, 'begun', -1) == 0 then
    redis.call('HDEL', key, 'begun')
  end
end
