-- Tells who comes next in the order of creation, and how much there is to read of each: as many as were asked for, but no more than so many bytes, and at
-- least one. KEYS[1] prefix. ARGV: name of the order, name of the records, 'rank' | 'after', first rank or a sequence number, last rank or how many, most bytes.
-- Answers 1 where it was the bytes that ended it, else 0; then id, sequence number, bytes of each.
-- Of the groups of a person the ids are stored, and shown are addresses and names, too: about six times as much.
local p, most = KEYS[1], tonumber(ARGV[6])
local order, rows = p .. ARGV[1], nil
if ARGV[3] == 'rank' then
  rows = redis.call('ZRANGE', order, ARGV[4], ARGV[5], 'WITHSCORES')
else
  rows = redis.call('ZRANGEBYSCORE', order, '(' .. ARGV[4], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[5])
end
local answer, bytes = { 0 }, 0
for i = 1, #rows, 2 do
  local key = p .. ARGV[2] .. ':' .. rows[i]
  local size = redis.call('HSTRLEN', key, 'attrs') + 6 * redis.call('HSTRLEN', key, 'groups')
  bytes = bytes + size
  if i > 1 and bytes > most then
    answer[1] = 1
    break
  end
  answer[#answer + 1] = rows[i]
  answer[#answer + 1] = rows[i + 1]
  answer[#answer + 1] = size
end
return answer
