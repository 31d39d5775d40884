--[[
Reads how many writes of a shard were begun and ended, and for each topic and period how many ids were counted and how
many bytes are stored of them, at one point of the log, however busy the consumers are.

KEYS
  1  writes  hash: begun, ended -> integer
  2  ids     stem, as in apply.lua

ARGV
  periods of ids

Answers { begun, ended, period, topic, counted, stored bytes, period, topic ... }
]]
local answer = { call('HGET', KEYS[1], 'begun') or '0', call('HGET', KEYS[1], 'ended') or '0' }
for i = 1, #ARGV do
  local counts = call('HGETALL', KEYS[2] .. ARGV[i])
  for j = 1, #counts, 2 do
    local ids = openIds(KEYS[2], ARGV[i], counts[j])
    local stored = 0
    -- The segment after the last one is empty, unless more was written than was counted.
    for segment = 0, math.floor(ids.count / IDS_PER_SEGMENT) + 1 do
      stored = stored + call('STRLEN', segmentKey(ids, segment))
    end
    local read = { ARGV[i], counts[j], ids.count, stored }
    for k = 1, 4 do
      answer[#answer + 1] = read[k]
    end
  end
end
return answer
