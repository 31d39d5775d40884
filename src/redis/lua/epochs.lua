--[[
Keeps, beside the cursor of a topic, the leader epoch of the last record that was counted. Precedes the scripts that
count events (see scripts.ts).

It is stored in the hash `writes` as `epoch:<topic>` -> `<epoch>@<cursor>`. If the cursor is another one, an older
version or a person has moved it, and the epoch is not known. Two records with one offset and one epoch are the same
record, with the same log before it. So a chunk of the epoch that is stored follows on what was counted. Before any
other chunk, the sender has to ask the log whether it still holds that epoch up to the cursor.
]]
local function epochField(topic)
  return 'epoch:' .. topic
end

-- Returns an answer if the sender must ask the log first; otherwise nil.
local function checkEpoch(key, topic, cursor, epoch, follows)
  local counted, at = string.match(redis.call('HGET', key, epochField(topic)) or '', '^(%d+)@(%d+)$')
  if at ~= cursor or counted == epoch or counted == follows then
    return nil
  end
  return { 'EPOCH', counted }
end

local function storeEpoch(key, topic, epoch, cursor)
  redis.call('HSET', key, epochField(topic), epoch .. '@' .. cursor)
end
