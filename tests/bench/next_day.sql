-- A day passes in the database of rich_database and pgbench: 1 % of the rows change, everywhere, some come, some go; then vacuum, so that their space is used again.
update pgbench_accounts set abalance = abalance + 1 + aid % 13 where random() < 0.01;
update customers set phone = '+49 30 ' || (1000000 + random() * 8999999)::int where random() < 0.01;
update orders set status = 'shipped', total = total + 1 where random() < 0.01;
update items set quantity = quantity + 1 where random() < 0.01;
update reviews set stars = 1 + (random() * 4)::int, title = title || ' (edited)' where random() < 0.01;
delete from items where random() < 0.001;
delete from reviews where random() < 0.001;
insert into orders (customer, status, placed, total, reference, remark)
  select customer, 'pending', placed + interval '300 days', (random() * 900)::numeric(10,2), gen_random_uuid(), remark from orders where random() < 0.003;
insert into items (order_id, product, quantity, price, options)
  select order_id, product, 1 + (random() * 5)::int, (random() * 200)::numeric(10,2), options from items where random() < 0.003;
vacuum;
