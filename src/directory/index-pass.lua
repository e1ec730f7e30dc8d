-- Begins or ends a pass of the survey. KEYS[1] prefix. ARGV: 'begin' | 'finish', pass ('' at begin), JSON list of field, value for surveyState,
-- JSON list of field, value for index (watermarks of the finished pass). Answers the number of the pass, or 0 when it is no longer built.
-- The keys of a pass that is over are unlinked here: a reader finds either the whole old pass or the whole new one.
local p = KEYS[1]
local function drop(pass)
  if not pass then return end
  for _, name in ipairs({ 'customers', 'subscriptions', 'references', 'emails', 'owners' }) do
    redis.call('UNLINK', p .. 'index:' .. pass .. ':' .. name)
  end
end
local known = redis.call('HMGET', p .. 'index', 'current', 'building')
local pass = ARGV[2]
if ARGV[1] == 'begin' then
  pass = tostring(redis.call('HINCRBY', p .. 'index', 'passes', 1))
  drop(known[2])
  redis.call('HSET', p .. 'index', 'building', pass)
  redis.call('UNLINK', p .. 'surveyPages')
else
  if known[2] ~= pass then return 0 end
  redis.call('HDEL', p .. 'index', 'building')
  redis.call('HSET', p .. 'index', 'current', pass, unpack(cjson.decode(ARGV[4])))
  drop(known[1])
end
redis.call('HSET', p .. 'surveyState', 'pass', pass, unpack(cjson.decode(ARGV[3])))
return tonumber(pass)
