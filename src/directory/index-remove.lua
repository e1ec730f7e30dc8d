-- Removes a customer with its subscriptions, in the current pass and in the one being built. KEYS[1] prefix. ARGV: customer id. Answers how many passes had it.
local p, id = KEYS[1], ARGV[1]
local removed = 0
for _, pass in ipairs(redis.call('HMGET', p .. 'index', 'current', 'building')) do
  if pass then
    local base = p .. 'index:' .. pass .. ':'
    local had = redis.call('HGET', base .. 'customers', id)
    if had then
      local old = cjson.decode(had)
      if type(old.ref) == 'string' and redis.call('HGET', base .. 'references', old.ref) == id then
        redis.call('HDEL', base .. 'references', old.ref)
      end
      redis.call('ZREM', base .. 'emails', old.key .. ':' .. id)
      redis.call('HDEL', base .. 'customers', id)
      removed = removed + 1
    end
    for _, owned in ipairs(redis.call('ZRANGEBYLEX', base .. 'owners', '[' .. id .. ':', '(' .. id .. ';')) do
      redis.call('HDEL', base .. 'subscriptions', string.sub(owned, #id + 2))
      redis.call('ZREM', base .. 'owners', owned)
    end
  end
end
return removed
