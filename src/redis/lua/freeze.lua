--[[
Freezes a month in one shard: stores the cursors up to which its totals are complete. What comes after them is late.

KEYS
  1  cursor  hash: topic -> next offset to apply
  2  closed  hash: frozen month -> JSON of topic -> next offset at the freeze

ARGV
  1  month

Answers
  FROZEN cursors        JSON; the same again for a month that is frozen already
  UNINITIALISED         the shard has no cursor
  LATER_FROZEN month    a later month is frozen, so this month's late usage is already counted in another one
  BEHIND month topic    the topic's cursor is before the freeze of an earlier month: the log must be replayed first
]]
local cursorKey, closedKey, month = KEYS[1], KEYS[2], ARGV[1]

local frozen = redis.call('HGET', closedKey, month)
if frozen then
  return { 'FROZEN', frozen }
end

local cursors, topics = {}, {}
local flat = redis.call('HGETALL', cursorKey)
for i = 1, #flat, 2 do
  topics[#topics + 1] = flat[i]
  cursors[flat[i]] = flat[i + 1]
end
if #topics == 0 then
  return { 'UNINITIALISED' }
end

local closed = redis.call('HGETALL', closedKey)
for i = 1, #closed, 2 do
  if closed[i] > month then
    return { 'LATER_FROZEN', closed[i] }
  end
end
for i = 1, #closed, 2 do
  for topic, offset in pairs(cjson.decode(closed[i + 1])) do
    if tonumber(cursors[topic] or 0) < offset then
      return { 'BEHIND', closed[i], topic }
    end
  end
end

-- Written by hand, because cjson prints numbers with 14 digits, and an offset may have 16. Sorted,
-- so that the same state gives the same bytes.
table.sort(topics)
local entries = {}
for i, topic in ipairs(topics) do
  entries[i] = cjson.encode(topic) .. ':' .. cursors[topic]
end
local json = '{' .. table.concat(entries, ',') .. '}'
redis.call('HSET', closedKey, month, json)
return { 'FROZEN', json }
