--[[
Tells whether a shard has counted all of a frozen month. Precedes the scripts that need it (see scripts.ts).
]]

-- Returns the JSON of the freeze, or nil and an answer that says why the month is not complete.
local function completeFreeze(cursorKey, closedKey, month)
  local frozen = redis.call('HGET', closedKey, month)
  if not frozen then
    return nil, { 'UNFROZEN' }
  end
  for topic, offset in pairs(cjson.decode(frozen)) do
    if tonumber(redis.call('HGET', cursorKey, topic) or 0) < offset then
      return nil, { 'BEHIND', topic }
    end
  end
  return frozen
end
