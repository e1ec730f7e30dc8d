-- Notes what the survey has come to, if it still stands where the caller has read it: of two processes, the one that was paused changes nothing.
-- KEYS[1] prefix. ARGV: state, phase and pass as read, then field, value, field, value ... Answers 1 or 0.
local key = KEYS[1] .. 'surveyState'
local at = redis.call('HMGET', key, 'state', 'phase', 'pass')
if (at[1] or 'never') ~= ARGV[1] or (at[2] or 'customers') ~= ARGV[2] or (at[3] or '0') ~= ARGV[3] then return 0 end
redis.call('HSET', key, unpack(ARGV, 4))
return 1
