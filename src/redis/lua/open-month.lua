-- Finds which month is open at an offset. Precedes the scripts that count events (see scripts.ts).
local function monthAfter(month)
  local year, number = tonumber(string.sub(month, 1, 4)), tonumber(string.sub(month, 6))
  if number == 12 then
    return string.format('%04d-01', year + 1)
  end
  return string.format('%04d-%02d', year, number + 1)
end

--[[
Returns the month that was open at `from`, which is the one after the latest month frozen at or before that offset, or
nil if none was. Also returns the month open before that one, and the first offset inside the chunk where a month was
frozen. It depends on offsets instead of the time, so that a replay of the log gives what the first run gave. A topic
without a cursor at a freeze began after it, as if it were frozen at 0.
]]
local function findOpenMonth(closedKey, topic, from, upto)
  local months, frozenAt = {}, {}
  local closed = redis.call('HGETALL', closedKey)
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
