-- Finds which month is open at an offset. Precedes the scripts that count events (see scripts.ts).
local function monthAfter(month)
  local year, number = tonumber(string.sub(month, 1, 4)), tonumber(string.sub(month, 6))
  if number == 12 then
    return string.format('%04d-01', year + 1)
  end
  return string.format('%04d-%02d', year, number + 1)
end

-- A partition of the topic in this shard that has not reached its offset in `frozen`.
local function findBehind(cursorKey, frozen, topic, lane)
  for other, offset in pairs(frozen) do
    local isOfTopic = other == topic or string.sub(other, 1, #topic + 1) == topic .. '/'
    if isOfTopic and other ~= lane and tonumber(redis.call('HGET', cursorKey, other) or 0) < offset then
      return other
    end
  end
end

--[[
Returns the month that was open at `from`, which is the one after the latest month frozen at or before that offset, or
nil if none was. Also returns the month open before that one, and the first offset inside the chunk where a month was
frozen. It depends on offsets instead of the time, so that a replay of the log gives what the first run gave. A lane
without a cursor at a freeze began after it, as if it were frozen at 0.

A shard may count several partitions of a topic (see lanes.ts). In a replay, one of them may reach a freeze before
another one does. It then has to wait: an event that is in both would be late, although its first copy was in time. The
fourth value is the lane to wait for.
]]
local function findOpenMonth(closedKey, cursorKey, topic, lane, from, upto)
  local months, frozenAt = {}, {}
  local closed = redis.call('HGETALL', closedKey)
  for i = 1, #closed, 2 do
    months[#months + 1] = closed[i]
    frozenAt[closed[i]] = closed[i + 1]
  end
  table.sort(months)
  local splitAt
  for i = #months, 1, -1 do
    local frozen = cjson.decode(frozenAt[months[i]])
    local offset = frozen[lane] or 0
    if offset <= from then
      local behind = findBehind(cursorKey, frozen, topic, lane)
      return monthAfter(months[i]), months[i - 1] and monthAfter(months[i - 1]), splitAt, behind
    end
    if offset < upto then
      splitAt = offset
    end
  end
  return nil, nil, splitAt
end
