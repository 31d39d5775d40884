--[[
Restores a freeze that is in the ledger and that this shard has lost.

KEYS
  1  closed  hash: frozen month -> JSON of topic -> next offset at the freeze
  2  cursor  hash: topic -> next offset to apply

ARGV
  1  month
  2  cursors  JSON of topic -> next offset, topics sorted

Answers
  RESTORED
  PRESENT                 the month is frozen at these cursors already
  DIFFERENT cursors       the month is frozen at other cursors (JSON)
  OUT_OF_ORDER month      with the freeze of that month, a topic would have been frozen later for an earlier month
  PASSED topic cursor     what comes after the freeze was counted without it, so late usage is in the closed month
]]
local closedKey, cursorKey, month, json = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local cursors = cjson.decode(json)

-- Whether every topic of `earlier` is frozen at the offset in `later` or before it.
local function inOrder(earlier, later)
  for topic, offset in pairs(earlier) do
    if offset > (later[topic] or 0) then
      return false
    end
  end
  return true
end

local closed = redis.call('HGETALL', closedKey)
for i = 1, #closed, 2 do
  local other = cjson.decode(closed[i + 1])
  if closed[i] == month then
    if inOrder(cursors, other) and inOrder(other, cursors) then
      return { 'PRESENT' }
    end
    return { 'DIFFERENT', closed[i + 1] }
  end
  if (closed[i] < month and not inOrder(other, cursors)) or (closed[i] > month and not inOrder(cursors, other)) then
    return { 'OUT_OF_ORDER', closed[i] }
  end
end
-- A topic that is missing in the freeze got its cursor later.
for topic, offset in pairs(cursors) do
  local cursor = redis.call('HGET', cursorKey, topic)
  if cursor and tonumber(cursor) > offset then
    return { 'PASSED', topic, cursor }
  end
end
redis.call('HSET', closedKey, month, json)
return { 'RESTORED' }
