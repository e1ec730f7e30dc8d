-- Counts people in who are active, for data of a release that did not count. Each record is read here, so that a commit at the same time stays right.
-- KEYS[1] prefix. ARGV: ids. Answers how many were added.
local p, added = KEYS[1], 0
for _, id in ipairs(ARGV) do
  local state = redis.call('HMGET', p .. 'user:' .. id, 'active', 'deleted')
  if state[1] == '1' and state[2] ~= '1' then added = added + redis.call('SADD', p .. 'active', id) end
end
return added
