-- Lists people who have been dirty for a while and are not waiting for a later attempt, walking on from where the last sweep stopped.
-- KEYS[1] prefix. ARGV: age in ms, most ids, offset in everybody, offset in the leavers, epoch the process knows ('' = none). Answers {next offset, next offset (0 = from the start again),
-- id, lane, id, lane ...}.
local p = KEYS[1]
-- Where nothing may be done nobody is rung; when the site is released everybody is still here.
if redis.call('HGET', p .. 'mode', 'mode') ~= 'enforce' then return { 0, 0 } end
if ARGV[5] ~= '' and redis.call('HGET', p .. 'site', 'epoch') ~= ARGV[5] then return { 0, 0 } end
--#include now
local most, offset = tonumber(ARGV[2]), tonumber(ARGV[3])
local ids = redis.call('ZRANGEBYSCORE', p .. 'dirty', '-inf', now - tonumber(ARGV[1]), 'LIMIT', offset, most)
-- Leavers first, at every sweep, however long the walk through everybody takes.
local listed = {}
local leavers = redis.call('ZRANGEBYSCORE', p .. 'urgent', '-inf', now - tonumber(ARGV[1]), 'LIMIT', tonumber(ARGV[4]), most)
local answer = { #ids < most and 0 or offset + most, #leavers < most and 0 or tonumber(ARGV[4]) + most }
for _, id in ipairs(leavers) do
  local due = redis.call('ZSCORE', p .. 'due', id)
  if not due or tonumber(due) <= now then
    answer[#answer + 1] = id
    answer[#answer + 1] = 'urgent'
    listed[id] = true
  end
end
for _, id in ipairs(ids) do
  local due = redis.call('ZSCORE', p .. 'due', id)
  if not listed[id] and (not due or tonumber(due) <= now) then
    answer[#answer + 1] = id
    answer[#answer + 1] = redis.call('ZSCORE', p .. 'urgent', id) and 'urgent' or 'normal'
  end
end
return answer
