--[[
Marks a sign-in link as used, if it was not used before.

A Redis that was emptied has lost its marks, and with them `since`. It accepts only links that were
made after it began to keep marks again.

KEYS
  1  since when marks are kept, in milliseconds; created if there is none
  2  the mark of this link

ARGV
  1  when the link was made, in milliseconds; 0 only creates `since`
  2  until when its mark is kept, in milliseconds

Answers
  REDEEMED   the link was not used, and is now
  USED       the link was used before
  OLD        the link is older than the marks
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', now), 'NX')
if tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[1])) then
  return { 'OLD' }
end
if redis.call('SET', KEYS[2], 'used', 'NX', 'PXAT', ARGV[2]) then
  return { 'REDEEMED' }
end
return { 'USED' }
