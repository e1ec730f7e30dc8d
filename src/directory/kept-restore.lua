-- Puts back what a process remembers of a hash and this data has forgotten, after a loss or a step back: an entry that is missing, or the end of one.
-- Nothing that is here is undone. KEYS[1] prefix. ARGV: name of the hash, id, entry JSON, id, entry JSON, ... Answers how many were put back.
local key = KEYS[1] .. ARGV[1]
local count = 0
for i = 2, #ARGV, 2 do
  local here = redis.call('HGET', key, ARGV[i])
  if not here or (cjson.decode(ARGV[i + 1]).revokedMs and not cjson.decode(here).revokedMs) then
    redis.call('HSET', key, ARGV[i], ARGV[i + 1])
    count = count + 1
  end
end
return count
