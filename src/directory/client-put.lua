-- Makes a client with its first credential, or gives a client one more. What has been over for 90 days is forgotten here. KEYS[1] prefix.
-- ARGV: client, credential, JSON of the credential (flat), lifetime of the credential in ms or 0, JSON of a new client or '', by whom, audit JSON (flat),
-- how many live clients, how many live credentials of a client, how long dead ones are kept in ms.
-- Answers {'ok', created ms, expires ms or ''}, {'missing'}, {'full-clients'} or {'full-credentials'}.
local p, client = KEYS[1], ARGV[1]
local key = p .. 'clients'
--#include now
local all = redis.call('HGETALL', key)
local clients, credentials, over = 0, 0, {}
for i = 1, #all, 2 do
  local known = cjson.decode(all[i + 1])
  local ended = math.min(known.revokedMs or math.huge, known.expiresMs or math.huge)
  local owner, id = string.match(all[i], '^(%w+)%.?(%w*)$')
  if ended <= now then
    if ended < now - tonumber(ARGV[10]) then over[#over + 1] = all[i] end
  elseif id == '' then clients = clients + 1
  elseif owner == client then credentials = credentials + 1 end
end
if ARGV[5] == '' then
  local here = redis.call('HGET', key, client)
  if not here or cjson.decode(here).revokedMs then return { 'missing' } end
elseif clients >= tonumber(ARGV[8]) then return { 'full-clients' } end
if credentials >= tonumber(ARGV[9]) then return { 'full-credentials' } end
for _, old in ipairs(over) do
  -- A credential goes with its own end; those of an ended client have their own as well.
  redis.call('HDEL', key, old)
  redis.call('HDEL', p .. 'clientUses', string.match(old, '%.(%w+)$') or old)
end
if ARGV[5] ~= '' then
  local made = cjson.decode(ARGV[5])
  made.createdMs, made.by = now, ARGV[6]
  redis.call('HSET', key, client, cjson.encode(made))
end
local put = cjson.decode(ARGV[3])
put.createdMs, put.by = now, ARGV[6]
if tonumber(ARGV[4]) > 0 then put.expiresMs = now + tonumber(ARGV[4]) end
redis.call('HSET', key, client .. '.' .. ARGV[2], cjson.encode(put))
--#include audit
appendAudit(p, '', ARGV[7], now, 0)
return { 'ok', string.format('%.0f', now), put.expiresMs and string.format('%.0f', put.expiresMs) or '' }
